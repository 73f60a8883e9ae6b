import { ENCRYPTION_TRAITS, type Trait } from "@luksmith/core";
import { startOpenStack } from "@luksmith/testing-services";
import { testContext } from "@luksmith/testkit";
import { expect, test } from "vitest";
import { freshTrait, PlacementBench } from "./placement-bench.ts";

const MINUTES = 60_000;

/** Half of them are reporters of ours, half write in a way of their own; all at one resource provider. */
test(
  "100 conflicting writers at once: every one of them gets through, and so do we",
  async () => {
    // Not the services of the other tests, which would have to wait.
    await using os = await startOpenStack({ services: ["placement"] });
    const bench = await PlacementBench.create(os);
    const strangers = Array.from({ length: 50 }, freshTrait);
    const colleagues = Array.from({ length: 50 }, freshTrait);
    for (const trait of colleagues) await bench.makeTrait(trait);
    let conflicts = 0;
    const report = async (traits: readonly Trait[]): Promise<void> => {
      using reporter = bench.otherReporter(9 * MINUTES);
      const ctx = testContext();
      await reporter.report({ traits, owned: traits }, ctx);
      conflicts += ctx.logged.filter(({ message }) => message.startsWith("others changed")).length;
    };

    await Promise.all([
      report(ENCRYPTION_TRAITS),
      ...strangers.map((trait) => bench.addForeign(trait)),
      ...colleagues.map((trait) => report([trait])),
    ]);

    const expected = [...ENCRYPTION_TRAITS, ...strangers, ...colleagues].sort();
    expect([...(await bench.current())].sort()).toEqual(expected);
    expect(conflicts, "they did get into each other's way").toBeGreaterThan(0);
  },
  10 * MINUTES,
);
