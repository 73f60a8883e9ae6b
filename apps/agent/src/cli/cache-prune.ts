import type { PruneOptions } from "@luksmith/core/host";
import {
  prune as action,
  type PrunedBaseDocument,
  type PrunedDownloadDocument,
  pruneDocument,
  type PruneDocument,
} from "../actions/cache-prune.ts";
import { downloadName } from "./cache-document.ts";
import { formatBytes } from "../output/format-bytes.ts";
import { table } from "../output/table.ts";
import type { Session } from "../session.ts";

export async function prune(session: Session, options: PruneOptions): Promise<void> {
  const document = options.dryRun ? await dryRun(session, options) : await session.perform(action, options);
  await session.print(document, () => describe(document));
}

/** Changes nothing, so that it needs no lock. */
async function dryRun(session: Session, options: PruneOptions): Promise<PruneDocument> {
  const ctx = await session.context();
  await using host = await session.read();
  return await pruneDocument(host, options, ctx);
}

function describe({ dry_run, bases, downloads, parts, freed_bytes }: PruneDocument): string {
  const removed = dry_run ? "would be removed" : "removed";
  const row = (name: string, entry: PrunedBaseDocument | PrunedDownloadDocument): readonly string[] => [
    name,
    formatBytes(entry.allocated_bytes),
    entry.last_used,
    entry.removed ? removed : `kept: ${entry.kept_because}`,
  ];
  const columns = ["ALLOCATED", "LAST USED", "RESULT"];
  const count = (entries: readonly { readonly removed: boolean }[]): string =>
    `${entries.filter((entry) => entry.removed).length} of ${entries.length}`;
  const images = downloads.length > 0 ? ` and ${count(downloads)} downloaded images` : "";
  const what = `${count(bases)} bases${images} ${removed}, ${formatBytes(freed_bytes)}`;
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
    `${what}${parts.length > 0 ? `; ${parts.length} unfinished ${removed}` : ""}\n`,
  ].join("");
}
