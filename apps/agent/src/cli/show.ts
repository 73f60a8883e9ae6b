import { findInstance } from "@luksmith/core/host";
import { describeInstance } from "../output/describe-instance.ts";
import { instanceDocument } from "../output/disk-document.ts";
import type { Session } from "../session.ts";

export async function show(session: Session, id: string): Promise<void> {
  await session.context();
  await using host = await session.read();
  const instance = await findInstance(host, id);
  const document = instanceDocument(instance, host.config);
  const { diskInfo: disk_info, blockDeviceInfo: block_device_info } = instance;
  await session.print({ ...document, disk_info, block_device_info }, () => describeInstance(document));
}
