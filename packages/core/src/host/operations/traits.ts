import { LuksmithError } from "../../errors/luksmith-error.ts";
import { type OpContext, throwIfCancelled } from "../../image/op-context.ts";
import { type HostTraits, hostTraits } from "../../traits/host-traits.ts";
import { syncTraits } from "../../traits/sync-traits.ts";
import type { ReportedTraits, Trait, TraitReporter } from "../../traits/trait.ts";
import { TraitReconciler, type TraitRound } from "../../traits/trait-reconciler.ts";
import type { ReadableHost } from "../host.ts";
import type { HostServices } from "../host-services.ts";

/** What a reporter's service says, compared with what this host claims. */
export type ReporterView =
  | {
      readonly reporter: string;
      readonly error?: undefined;
      readonly reported: ReportedTraits;
      /** Claimed, and not there. */
      readonly missing: readonly Trait[];
      /** There, though this host speaks for them and does not claim them. */
      readonly extra: readonly Trait[];
    }
  /** Without an error: it cannot tell. */
  | { readonly reporter: string; readonly error?: unknown; readonly reported?: undefined };

export interface TraitsReport {
  readonly host: HostTraits;
  readonly reporters: readonly ReporterView[];
}

export interface SyncOptions {
  /** Makes the host known to services that do not know it. */
  readonly createProvider: boolean;
}

/** One round, and the reporters that made this host known now. */
export interface SyncReport extends TraitRound {
  readonly created: readonly string[];
}

/** What this host can do and what is said of it; changes nothing. */
export async function showTraits(
  host: Pick<ReadableHost, "services">,
  ctx: OpContext,
): Promise<TraitsReport> {
  const services = await host.services();
  const own = await hostTraits(services, ctx);
  const reporters = await Promise.all(services.traitReporters.map((reporter) => view(reporter, own, ctx)));
  throwIfCancelled(ctx);
  return { host: own, reporters };
}

async function view(reporter: TraitReporter, own: HostTraits, ctx: OpContext): Promise<ReporterView> {
  if (!reporter.show) return { reporter: reporter.name };
  try {
    const reported = await reporter.show(ctx);
    const missing = own.traits.filter((trait) => !reported.traits.includes(trait));
    const unclaimed = own.owned.filter((trait) => !own.traits.includes(trait));
    const extra = unclaimed.filter((trait) => reported.traits.includes(trait));
    return { reporter: reporter.name, reported, missing, extra };
  } catch (error) {
    return { reporter: reporter.name, error };
  }
}

/**
 * Reports once. Idempotent.
 * @throws `UnsupportedOperation` if no plugin reports, or if one that is to make the host known cannot
 */
export async function reportTraits(
  host: ReadableHost,
  options: SyncOptions,
  ctx: OpContext,
): Promise<SyncReport> {
  const { services, reporters, created } = await prepare(host, options, ctx);
  const own = await hostTraits(services, ctx);
  return { created, host: own, outcomes: await syncTraits(own, reporters, ctx) };
}

/**
 * Reports again and again until `ctx.signal` aborts, which is its regular end.
 * @param intervalMs undefined: as the configuration says
 * @throws `UnsupportedOperation`
 */
export async function keepTraits(
  host: ReadableHost,
  options: SyncOptions & {
    readonly intervalMs: number | undefined;
    readonly onRound: (round: TraitRound) => Promise<void>;
  },
  ctx: OpContext,
): Promise<void> {
  const { services, reporters } = await prepare(host, options, ctx);
  const reconciler = new TraitReconciler({
    host: (each) => hostTraits(services, each),
    reporters,
    intervalMs: options.intervalMs ?? host.config.luksmith.traits_interval * 1000,
    onRound: options.onRound,
  });
  await reconciler.run(ctx);
}

interface Prepared {
  readonly services: HostServices;
  readonly reporters: readonly TraitReporter[];
  readonly created: readonly string[];
}

async function prepare(
  host: ReadableHost,
  { createProvider }: SyncOptions,
  ctx: OpContext,
): Promise<Prepared> {
  const services = await host.services();
  const reporters = services.traitReporters;
  if (reporters.length === 0) {
    throw new LuksmithError(
      "UnsupportedOperation",
      "no plugin reports traits; add @luksmith/traits-placement to [luksmith] plugins",
    );
  }
  const created: string[] = [];
  for (const reporter of createProvider ? reporters : []) {
    if (await makeKnown(reporter, ctx)) created.push(reporter.name);
  }
  return { services, reporters, created };
}

async function makeKnown(reporter: TraitReporter, ctx: OpContext): Promise<boolean> {
  if (reporter.createProvider) return reporter.createProvider(ctx);
  throw new LuksmithError(
    "UnsupportedOperation",
    `the reporter ${reporter.name} cannot make this host known to its service; do it there, then leave out --create-provider`,
  );
}
