import { cachePrune, type Pruned, type PruneOptions } from "@luksmith/core/host";
import { type BaseDocument, baseDocument } from "./cache-document.ts";
import { formatBytes } from "../output/format-bytes.ts";
import { table } from "../output/table.ts";
import type { Session } from "../session.ts";

interface PrunedDocument extends BaseDocument {
  readonly removed: boolean;
  readonly kept_because: string | null;
}

export async function prune(session: Session, options: PruneOptions): Promise<void> {
  const ctx = await session.context();
  await using host = options.dryRun ? await session.read() : await session.write(ctx);
  const { bases, parts } = await cachePrune(host, options, ctx);
  const pruned = bases.map(prunedDocument);
  const freed = pruned
    .filter(({ removed }) => removed)
    .reduce((sum, { allocated_bytes }) => sum + allocated_bytes, 0);
  const document = { dry_run: options.dryRun, bases: pruned, parts, freed_bytes: freed };
  await session.print(document, () => describe(pruned, parts.length, freed, options.dryRun));
}

function prunedDocument(entry: Pruned): PrunedDocument {
  return { ...baseDocument(entry), removed: entry.removed, kept_because: entry.keptBecause ?? null };
}

function describe(bases: readonly PrunedDocument[], parts: number, freed: number, dryRun: boolean): string {
  const removed = dryRun ? "would be removed" : "removed";
  const rows = bases.map((base) => [
    base.name,
    formatBytes(base.allocated_bytes),
    base.last_used,
    base.removed ? removed : `kept: ${base.kept_because}`,
  ]);
  const count = bases.filter((base) => base.removed).length;
  const what = `${count} of ${bases.length} bases ${removed}, ${formatBytes(freed)}`;
  return [
    bases.length > 0 ? table(["BASE", "ALLOCATED", "LAST USED", "RESULT"], rows) : "",
    `${what}${parts > 0 ? `; ${parts} unfinished ${removed}` : ""}\n`,
  ].join("");
}
