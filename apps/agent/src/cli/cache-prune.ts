import { cachePrune, type Pruned, type PrunedDownload, type PruneOptions } from "@luksmith/core/host";
import {
  type BaseDocument,
  baseDocument,
  type DownloadDocument,
  downloadDocument,
  downloadName,
} from "./cache-document.ts";
import { formatBytes } from "../output/format-bytes.ts";
import { table } from "../output/table.ts";
import type { Session } from "../session.ts";

interface Outcome {
  readonly removed: boolean;
  readonly kept_because: string | null;
}

type PrunedBaseDocument = BaseDocument & Outcome;
type PrunedDownloadDocument = DownloadDocument & Outcome;

export async function prune(session: Session, options: PruneOptions): Promise<void> {
  const ctx = await session.context();
  await using host = options.dryRun ? await session.read() : await session.write(ctx);
  const report = await cachePrune(host, options, ctx);
  const bases = report.bases.map((base) => ({ ...baseDocument(base), ...outcomeOf(base) }));
  const downloads = report.downloads.map((each) => ({ ...downloadDocument(each), ...outcomeOf(each) }));
  const { parts } = report;
  const freed = [...bases, ...downloads]
    .filter(({ removed }) => removed)
    .reduce((sum, { allocated_bytes }) => sum + allocated_bytes, 0);
  const document = { dry_run: options.dryRun, bases, downloads, parts, freed_bytes: freed };
  await session.print(document, () => describe(bases, downloads, parts.length, freed, options.dryRun));
}

function outcomeOf({ removed, keptBecause }: Pruned | PrunedDownload): Outcome {
  return { removed, kept_because: keptBecause ?? null };
}

function describe(
  bases: readonly PrunedBaseDocument[],
  downloads: readonly PrunedDownloadDocument[],
  parts: number,
  freed: number,
  dryRun: boolean,
): string {
  const removed = dryRun ? "would be removed" : "removed";
  const row = (name: string, entry: PrunedBaseDocument | PrunedDownloadDocument): readonly string[] => [
    name,
    formatBytes(entry.allocated_bytes),
    entry.last_used,
    entry.removed ? removed : `kept: ${entry.kept_because}`,
  ];
  const columns = ["ALLOCATED", "LAST USED", "RESULT"];
  const count = (entries: readonly Outcome[]): string =>
    `${entries.filter((entry) => entry.removed).length} of ${entries.length}`;
  const images = downloads.length > 0 ? ` and ${count(downloads)} downloaded images` : "";
  const what = `${count(bases)} bases${images} ${removed}, ${formatBytes(freed)}`;
  return [
    bases.length > 0
      ? table(
          ["BASE", ...columns],
          bases.map((base) => row(base.name, base)),
        )
      : "",
    downloads.length > 0
      ? table(
          ["DOWNLOADED IMAGE", ...columns],
          downloads.map((each) => row(downloadName(each), each)),
        )
      : "",
    `${what}${parts > 0 ? `; ${parts} unfinished ${removed}` : ""}\n`,
  ].join("");
}
