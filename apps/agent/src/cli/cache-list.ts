import { cacheList } from "@luksmith/core/host";
import { type BaseDocument, cacheDocument, type DownloadDocument, downloadName } from "./cache-document.ts";
import { formatBytes } from "../output/format-bytes.ts";
import { table } from "../output/table.ts";
import type { Session } from "../session.ts";

export async function list(session: Session): Promise<void> {
  const ctx = await session.context();
  await using host = await session.read();
  const document = cacheDocument(await cacheList(host, ctx));
  const { bases, downloads } = document;
  await session.print(document, () => {
    if (bases.length === 0 && downloads.length === 0) return "the cache is empty\n";
    return [
      ...(bases.length > 0 ? [basesTable(bases)] : []),
      ...(downloads.length > 0 ? [downloadsTable(downloads)] : []),
    ].join("\n");
  });
}

function basesTable(bases: readonly BaseDocument[]): string {
  const rows = bases.map((base) => [
    base.name,
    formatBytes(base.bytes),
    formatBytes(base.allocated_bytes),
    base.last_used,
    String(base.used_by.length),
  ]);
  return table(["BASE", "SIZE", "ALLOCATED", "LAST USED", "DISKS"], rows);
}

function downloadsTable(downloads: readonly DownloadDocument[]): string {
  const rows = downloads.map((download) => [
    downloadName(download),
    formatBytes(download.bytes),
    formatBytes(download.allocated_bytes),
    download.last_used,
  ]);
  return table(["DOWNLOADED IMAGE", "SIZE", "ALLOCATED", "LAST USED"], rows);
}
