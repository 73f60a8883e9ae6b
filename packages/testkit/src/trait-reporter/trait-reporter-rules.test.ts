import type { TraitChange, TraitClaim, TraitReporter } from "@luksmith/core";
import { LuksmithError } from "@luksmith/core";
import { describe, expect, test } from "vitest";
import { describeTraitReporter } from "./describe-trait-reporter.ts";
import { InMemoryTraitReporter } from "./in-memory-trait-reporter.ts";
import type { TraitReporterFixture } from "./trait-reporter-fixture.ts";
import { TRAIT_REPORTER_RULES } from "./trait-reporter-rules.ts";

function fixtureOf(
  broken: (whole: InMemoryTraitReporter) => Partial<TraitReporter> = () => ({}),
): TraitReporterFixture {
  const whole = new InMemoryTraitReporter();
  const reporter: TraitReporter = {
    name: "broken",
    report: (claim, ctx) => whole.report(claim, ctx),
    show: (ctx) => whole.show(ctx),
    ...broken(whole),
  };
  return {
    reporter,
    traits: ["CUSTOM_ONE", "CUSTOM_TWO"],
    foreign: ["CUSTOM_OTHER", "CUSTOM_THIRD"],
    current: async () => [...whole.traits],
    addForeign: async (trait) => {
      await new Promise((resolve) => setImmediate(resolve));
      whole.traits.add(trait);
    },
    writes: async () => whole.writes,
    outage: async () => {
      whole.away = true;
      return { [Symbol.asyncDispose]: async () => void (whole.away = false) };
    },
    [Symbol.asyncDispose]: async () => {},
  };
}

describeTraitReporter("in memory", async () => fixtureOf());

const ids = { provider: { id: "1", name: "host" }, added: [], removed: [] };

/** What third parties get wrong, and the rule that must notice. */
const FAULTS: readonly (readonly [string, string, () => TraitReporterFixture])[] = [
  ["TR-1", "does nothing", () => fixtureOf(() => ({ report: async () => ({ ...ids, traits: [] }) }))],
  [
    "TR-2",
    "says that it added what was there",
    () =>
      fixtureOf((whole) => ({
        report: async (claim, ctx) => ({ ...(await whole.report(claim, ctx)), added: claim.traits }),
      })),
  ],
  [
    "TR-3",
    "always writes",
    () => fixtureOf((whole) => ({ report: (claim, ctx) => ((whole.writes += 1), whole.report(claim, ctx)) })),
  ],
  ["TR-4", "replaces all", () => fixtureOf((whole) => ({ report: (claim) => replaceAll(whole, claim) }))],
  [
    "TR-4",
    "never withdraws",
    () =>
      fixtureOf((whole) => ({
        report: (claim, ctx) => whole.report({ ...claim, owned: claim.traits }, ctx),
      })),
  ],
  ["TR-5", "withdraws what it does not own", () => fixtureOf((whole) => ({ report: remembering(whole) }))],
  [
    "TR-6",
    "overwrites what others wrote since it read",
    () => fixtureOf((whole) => ({ report: (claim) => writeStale(whole, claim) })),
  ],
  [
    "TR-7",
    "shows nothing",
    () => fixtureOf(() => ({ show: async () => ({ provider: ids.provider, traits: [] }) })),
  ],
  [
    "TR-8",
    "calls an outage a bug",
    () =>
      fixtureOf((whole) => ({
        report: (claim, ctx) =>
          whole.report(claim, ctx).catch(() => {
            throw new LuksmithError("InternalError", "oops");
          }),
      })),
  ],
  [
    "TR-9",
    "does not hear of the cancel",
    () =>
      fixtureOf((whole) => ({
        report: (claim, ctx) => whole.report(claim, { ...ctx, signal: new AbortController().signal }),
      })),
  ],
];

async function replaceAll(whole: InMemoryTraitReporter, claim: TraitClaim): Promise<TraitChange> {
  whole.traits.clear();
  for (const trait of claim.traits) whole.traits.add(trait);
  return { ...ids, traits: claim.traits };
}

async function writeStale(whole: InMemoryTraitReporter, claim: TraitClaim): Promise<TraitChange> {
  const read = [...whole.traits];
  await new Promise((resolve) => setTimeout(resolve, 20));
  whole.traits.clear();
  for (const trait of [...read, ...claim.traits]) whole.traits.add(trait);
  return { ...ids, traits: claim.traits };
}

function remembering(whole: InMemoryTraitReporter): TraitReporter["report"] {
  const ever = new Set<TraitClaim["owned"][number]>();
  return (claim, ctx) => {
    for (const trait of claim.owned) ever.add(trait);
    return whole.report({ traits: claim.traits, owned: [...ever] }, ctx);
  };
}

describe("the rules notice a reporter that", () => {
  test.each(FAULTS)("%s %s", async (id, _fault, fixture) => {
    const rule = TRAIT_REPORTER_RULES.find((each) => each.id === id);
    await expect((async () => rule?.check(fixture()))()).rejects.toThrow();
  });

  test("every rule has a fault", () => {
    const faulty = new Set(FAULTS.map(([id]) => id));
    expect([...faulty]).toEqual(TRAIT_REPORTER_RULES.map(({ id }) => id));
  });
});
