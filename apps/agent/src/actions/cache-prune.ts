import {
  cachePrune,
  type Pruned,
  type PrunedDownload,
  type PruneOptions,
  type ReadableHost,
} from "@luksmith/core/host";
import {
  type BaseDocument,
  baseDocument,
  type DownloadDocument,
  downloadDocument,
} from "../cli/cache-document.ts";
import type { OpContext } from "@luksmith/core/host";
import type { Action } from "./action.ts";

interface Outcome {
  readonly removed: boolean;
  readonly kept_because: string | null;
}

export type PrunedBaseDocument = BaseDocument & Outcome;
export type PrunedDownloadDocument = DownloadDocument & Outcome;

export interface PruneDocument {
  readonly dry_run: boolean;
  readonly bases: readonly PrunedBaseDocument[];
  readonly downloads: readonly PrunedDownloadDocument[];
  readonly parts: readonly string[];
  readonly freed_bytes: number;
}

export const prune: Action<PruneOptions, PruneDocument> = {
  kind: "cache-prune",
  request: ({ dryRun: dry_run, allUnused: all_unused }) => ({
    method: "POST",
    path: "/v1/cache/prune",
    body: { dry_run, all_unused },
  }),
  run: pruneDocument,
};

export async function pruneDocument(
  host: ReadableHost,
  options: PruneOptions,
  ctx: OpContext,
): Promise<PruneDocument> {
  const report = await cachePrune(host, options, ctx);
  const bases = report.bases.map((base) => ({ ...baseDocument(base), ...outcomeOf(base) }));
  const downloads = report.downloads.map((each) => ({ ...downloadDocument(each), ...outcomeOf(each) }));
  const freed_bytes = [...bases, ...downloads]
    .filter(({ removed }) => removed)
    .reduce((sum, { allocated_bytes }) => sum + allocated_bytes, 0);
  return { dry_run: options.dryRun, bases, downloads, parts: report.parts, freed_bytes };
}

function outcomeOf({ removed, keptBecause }: Pruned | PrunedDownload): Outcome {
  return { removed, kept_because: keptBecause ?? null };
}
