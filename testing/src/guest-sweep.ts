import { expect } from "vitest";
import { runChild } from "./child/run-child.ts";
import type { Action, Outcome } from "./child/scenario.ts";
import { expectTogether, recoverGuests } from "./guests-together.ts";
import type { LifeHost } from "./life-host.ts";

export interface Swept {
  readonly outcome: Outcome;
  readonly recovered: readonly string[];
}

/**
 * Runs an operation again and again, killed one instant later each time, until it completes. After each, everything that
 * there is belongs together.
 */
export async function sweep(
  life: LifeHost,
  actionOf: () => Promise<Action>,
  after: () => Promise<void> = async () => {},
  expectTrue: () => Promise<void> = () => expectTogether(life),
): Promise<Swept> {
  const recovered: string[] = [];
  for (let killAt = 1; ; killAt++) {
    const action = await actionOf();
    const outcome = await runChild({ configFile: life.temp.configFile, action, killAt });
    const ended = await recoverGuests(life, expectTrue);
    await after();
    if (outcome) return { outcome, recovered };
    recovered.push(ended.join());
  }
}

export function expectSeen({ outcome }: Swept, instants: readonly string[]): void {
  expect(outcome.error).toBeUndefined();
  expect(outcome.instants).toEqual(expect.arrayContaining([...instants]));
}
