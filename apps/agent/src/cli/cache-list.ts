import { cacheList } from "@luksmith/core/host";
import { baseDocument } from "./cache-document.ts";
import { formatBytes } from "../output/format-bytes.ts";
import { table } from "../output/table.ts";
import type { Session } from "../session.ts";

export async function list(session: Session): Promise<void> {
  await session.config();
  await using host = await session.read();
  const bases = (await cacheList(host)).map(baseDocument);
  await session.print({ bases }, () => {
    if (bases.length === 0) return "the cache is empty\n";
    const rows = bases.map((base) => [
      base.name,
      formatBytes(base.bytes),
      formatBytes(base.allocated_bytes),
      base.last_used,
      String(base.used_by.length),
    ]);
    return table(["BASE", "SIZE", "ALLOCATED", "LAST USED", "DISKS"], rows);
  });
}
