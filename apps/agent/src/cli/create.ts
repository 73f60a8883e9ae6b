import { createInstance } from "@luksmith/core/host";
import { readRequest } from "../input/read-request.ts";
import { describeInstance } from "../output/describe-instance.ts";
import { instanceDocument } from "../output/disk-document.ts";
import type { Session } from "../session.ts";

export async function create(session: Session, file: string): Promise<void> {
  const request = await readRequest(file, session);
  const ctx = await session.context();
  await using host = await session.write(ctx);
  const instance = await createInstance(host, request, ctx);
  const document = instanceDocument(instance, host.config);
  const { diskInfo: disk_info, blockDeviceInfo: block_device_info } = instance;
  await session.print({ ...document, disk_info, block_device_info }, () => describeInstance(document));
}
