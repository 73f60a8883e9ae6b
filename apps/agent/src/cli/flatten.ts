import { findInstance, flattenDisk } from "@luksmith/core/host";
import { printDisk } from "../output/print-disk.ts";
import type { Session } from "../session.ts";

export async function flatten(session: Session, id: string, disk: string): Promise<void> {
  const ctx = await session.context();
  await using host = await session.write(ctx);
  const instance = await findInstance(host, id);
  const flat = await flattenDisk(host, instance, disk, ctx);
  await printDisk(session, { ...instance, disks: [flat] }, host.config);
}
