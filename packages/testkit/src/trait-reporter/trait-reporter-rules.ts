import { isLuksmithError, type Trait, type TraitClaim } from "@luksmith/core";
import { expect } from "vitest";
import { testContext } from "../test-context.ts";
import type { TraitReporterFixture } from "./trait-reporter-fixture.ts";
import type { TraitReporterRule } from "./trait-reporter-rule.ts";

/** Everything that the host speaks for in these rules, and what of it is true. */
function claim({ traits: owned }: TraitReporterFixture, ...traits: readonly Trait[]): TraitClaim {
  return { traits, owned };
}

async function expectTraits(fixture: TraitReporterFixture, ...traits: readonly string[]): Promise<void> {
  expect([...(await fixture.current())].sort()).toEqual([...traits].sort());
}

async function errorOf(act: Promise<unknown>) {
  const error = await act.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (isLuksmithError(error)) return error;
  throw new Error(`must fail with a Luksmith error, not with ${String(error)}`, { cause: error });
}

/** In the order of their numbers. */
export const TRAIT_REPORTER_RULES: readonly TraitReporterRule[] = [
  {
    id: "TR-1",
    title: "sets what is claimed and says what it added",
    check: async (fixture) => {
      const [first, second] = fixture.traits;
      const change = await fixture.reporter.report(claim(fixture, first, second), testContext());
      expect([...change.added].sort()).toEqual([first, second].sort());
      expect(change.removed).toEqual([]);
      expect(change.traits).toEqual(expect.arrayContaining([first, second]));
      await expectTraits(fixture, first, second);
    },
  },
  {
    id: "TR-2",
    title: "changes nothing when the same is claimed again",
    check: async (fixture) => {
      const both = claim(fixture, ...fixture.traits);
      await fixture.reporter.report(both, testContext());
      const again = await fixture.reporter.report(both, testContext());
      expect([again.added, again.removed]).toEqual([[], []]);
      await expectTraits(fixture, ...fixture.traits);
    },
  },
  {
    id: "TR-3",
    title: "writes nothing when it is so already, with traits and without",
    needs: ({ writes }) => (writes ? undefined : "the service's writes are not counted"),
    check: async (fixture) => {
      for (const wanted of [claim(fixture, ...fixture.traits), claim(fixture)]) {
        await fixture.reporter.report(wanted, testContext());
        const before = await fixture.writes?.();
        await fixture.reporter.report(wanted, testContext());
        expect(await fixture.writes?.()).toBe(before);
      }
    },
  },
  {
    id: "TR-4",
    title: "withdraws what is owned and not claimed, and nothing else",
    check: async (fixture) => {
      const [first, second] = fixture.traits;
      const [foreign] = fixture.foreign;
      if (!foreign) throw new Error("the fixture has no foreign traits");
      await fixture.addForeign(foreign);
      await fixture.reporter.report(claim(fixture, first, second), testContext());
      await expectTraits(fixture, first, second, foreign);
      const less = await fixture.reporter.report(claim(fixture, second), testContext());
      expect([less.added, less.removed]).toEqual([[], [first]]);
      await expectTraits(fixture, second, foreign);
      await fixture.reporter.report(claim(fixture), testContext());
      await expectTraits(fixture, foreign);
    },
  },
  {
    id: "TR-5",
    title: "leaves a trait alone that the claim does not own, though it reported it before",
    check: async (fixture) => {
      const [first, second] = fixture.traits;
      await fixture.reporter.report({ traits: [first], owned: [first] }, testContext());
      await fixture.reporter.report({ traits: [second], owned: [second] }, testContext());
      await expectTraits(fixture, first, second);
    },
  },
  {
    id: "TR-6",
    title: "loses neither its own traits nor those of others who write at the same time",
    check: async (fixture) => {
      const mine = fixture.reporter.report(claim(fixture, ...fixture.traits), testContext());
      await Promise.all([mine, ...fixture.foreign.map((trait) => fixture.addForeign(trait))]);
      await expectTraits(fixture, ...fixture.traits, ...fixture.foreign);
    },
  },
  {
    id: "TR-7",
    title: "shows what the service has, and changes nothing by it",
    needs: ({ reporter }) => (reporter.show ? undefined : "the reporter does not show"),
    check: async (fixture) => {
      const [first] = fixture.traits;
      await fixture.reporter.report(claim(fixture, first), testContext());
      const shown = await fixture.reporter.show?.(testContext());
      expect(shown?.traits).toEqual([first]);
      await expectTraits(fixture, first);
    },
  },
  {
    id: "TR-8",
    title: "says that a service is away, as an error that may pass, and works when it is back",
    needs: ({ outage }) => (outage ? undefined : "the service cannot be taken away"),
    check: async (fixture) => {
      const wanted = claim(fixture, ...fixture.traits);
      {
        await using _away = await fixture.outage?.();
        const error = await errorOf(fixture.reporter.report(wanted, testContext()));
        expect(["unavailable", "timeout"]).toContain(error.category);
        expect(error.retryable).toBe(true);
      }
      await fixture.reporter.report(wanted, testContext());
      await expectTraits(fixture, ...fixture.traits);
    },
  },
  {
    id: "TR-9",
    title: "stops when it is cancelled, before anything is written",
    check: async (fixture) => {
      const signal = AbortSignal.abort(new Error("enough"));
      const report = fixture.reporter.report(claim(fixture, ...fixture.traits), testContext({ signal }));
      expect((await errorOf(report)).category).toBe("cancelled");
      await expectTraits(fixture);
    },
  },
];
