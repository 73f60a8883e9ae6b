import { findInstance, rekeyDisks } from "@luksmith/core/host";
import { describeDisk } from "../output/describe-instance.ts";
import { diskDocuments } from "../output/disk-document.ts";
import type { Session } from "../session.ts";

export async function rekey(session: Session, id: string, disk: string | undefined): Promise<void> {
  const ctx = await session.context();
  await using host = await session.write(ctx);
  const instance = await findInstance(host, id);
  const disks = diskDocuments(
    { ...instance, disks: await rekeyDisks(host, instance, disk, ctx) },
    host.config,
  );
  await session.print({ uuid: id, disks }, () => disks.map(describeDisk).join(""));
}
