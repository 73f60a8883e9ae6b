import { isLuksmithError } from "../../errors/luksmith-error.ts";
import { type OpContext, throwIfCancelled } from "../../image/op-context.ts";
import type { ReadableHost, WritableHost } from "../host.ts";
import { carryOutAct } from "./act.ts";
import type { Discrepancy } from "./discrepancy.ts";
import { judgeRecords, judgeStorage } from "./judge-disks.ts";
import { judgeGuests } from "./judge-guests.ts";
import { judgeCopies, judgeSecrets } from "./judge-secrets.ts";
import { observe } from "./observe.ts";
import type { World } from "./world.ts";

export interface GcOptions {
  /** Leftovers younger than this are not looked at. Default: a day. */
  readonly graceSeconds: number;
}

export interface GcReport {
  readonly discrepancies: readonly Discrepancy[];
  /** Things on shared storage, in the key manager and in the hypervisor that this host has no claim to. */
  readonly foreign: number;
  /** What could not be looked at: nothing is said of it. */
  readonly troubles: readonly string[];
}

/** What became of a discrepancy. */
export interface GcOutcome {
  readonly discrepancy: Discrepancy;
  /** `left`: nothing is done about it by itself. */
  readonly outcome: "done" | "left" | "refused" | "failed";
  /** Why it was refused or has failed. */
  readonly reason?: string;
}

export interface GcApplied extends Omit<GcReport, "discrepancies"> {
  readonly outcomes: readonly GcOutcome[];
}

/** Compares what is recorded with what is there, both ways; changes nothing. */
export async function findDiscrepancies(
  host: ReadableHost,
  { graceSeconds }: GcOptions,
  ctx: OpContext,
): Promise<GcReport> {
  // Looking takes its time, in which nothing gets old enough.
  const before = new Date(Date.now() - graceSeconds * 1000).toISOString();
  return judge(await observe(host, ctx), before);
}

/** Pure. @param before what is younger is left alone, ISO 8601 */
export function judge(world: World, before: string): GcReport {
  // A moment that cannot be read is not old.
  const old = (at: string): boolean => new Date(utc(at)) <= new Date(before);
  const judged = [
    judgeRecords(world),
    judgeStorage(world, old),
    judgeSecrets(world, old),
    judgeCopies(world, old),
    judgeGuests(world, old),
  ];
  return {
    discrepancies: judged.flatMap(({ discrepancies }) => discrepancies),
    foreign: judged.reduce((sum, { foreign }) => sum + foreign, 0),
    troubles: world.troubles,
  };
}

/** Barbican's moments are of UTC, and do not say so. */
function utc(at: string): string {
  return /[Zz]$|[+-]\d\d:?\d\d$/u.test(at) ? at : `${at}Z`;
}

/**
 * Does what can be done by itself about what does not fit: each with its instance reserved, looked at once more, and in the
 * journal before it is done. One that fails does not keep the others.
 * @throws `Cancelled` between two of them
 */
export async function reconcile(host: WritableHost, options: GcOptions, ctx: OpContext): Promise<GcApplied> {
  const { discrepancies, foreign, troubles } = await findDiscrepancies(host, options, ctx);
  const outcomes: GcOutcome[] = [];
  for (const discrepancy of discrepancies) {
    throwIfCancelled(ctx);
    const { act } = discrepancy;
    if (!act) {
      outcomes.push({ discrepancy, outcome: "left" });
      continue;
    }
    try {
      const refused = await carryOutAct(host, act, ctx);
      outcomes.push(
        refused === undefined
          ? { discrepancy, outcome: "done" }
          : { discrepancy, outcome: "refused", reason: refused },
      );
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const conflict = isLuksmithError(error) && error.category === "conflict";
      outcomes.push({ discrepancy, outcome: conflict ? "refused" : "failed", reason });
      ctx.log.warn({ err: error, object: discrepancy.object }, "could not act on what does not fit");
    }
  }
  return { outcomes, foreign, troubles };
}
