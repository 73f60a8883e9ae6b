import { findInstance, resizeDisk } from "@luksmith/core/host";
import { parseSize } from "../input/parse-size.ts";
import { printDisk } from "../output/print-disk.ts";
import type { Session } from "../session.ts";

export async function resize(session: Session, id: string, disk: string, size: string): Promise<void> {
  const bytes = parseSize(size);
  const ctx = await session.context();
  await using host = await session.write(ctx);
  const instance = await findInstance(host, id);
  const resized = await resizeDisk(host, instance, disk, bytes, ctx);
  await printDisk(session, { ...instance, disks: [resized] }, host.config);
}
