import type { HostConfig, InstanceRecord } from "@luksmith/core/host";
import type { Session } from "../session.ts";
import { describeDisk } from "./describe-instance.ts";
import { diskDocuments } from "./disk-document.ts";

/** The one disk that a command has changed, with the instance that it belongs to. */
export async function printDisk(
  session: Session,
  instance: InstanceRecord,
  config: HostConfig,
): Promise<void> {
  for (const document of diskDocuments(instance, config)) {
    await session.print({ instance: instance.uuid, ...document }, () => describeDisk(document));
  }
}
