import { randomUUID } from "node:crypto";
import { createInstance } from "@luksmith/core/host";
import { expect } from "vitest";
import { runChild } from "./child/run-child.ts";
import type { Action, Outcome } from "./child/scenario.ts";
import { addBystanders, type Bystanders } from "./host-state.ts";
import { recoverTwice } from "./recover-twice.ts";
import { type TempHost, tempHost } from "./temp-host.ts";
import { testContext } from "./workspace.ts";

const MIB = 1024 * 1024;

/** A host with an image and bystanders. */
export interface Prepared {
  readonly temp: TempHost;
  readonly image: string;
  readonly others: Bystanders;
}

export async function prepare(): Promise<Prepared> {
  const temp = tempHost();
  const image = temp.addImage(2 * MIB);
  return { temp, image, others: await addBystanders(temp, image) };
}

export async function addInstance(
  { temp, image }: Prepared,
  swap = 0,
  instance: string = randomUUID(),
): Promise<string> {
  await using host = await temp.write();
  return (await createInstance(host, await temp.request(image, { swap, instance }), testContext())).uuid;
}

export interface Swept {
  /** Of the run that was not killed. */
  readonly outcome: Outcome;
  /** What recovery did after each that was. */
  readonly recovered: readonly string[];
}

/** Fails unless the last run succeeded and the sweep has seen these instants. */
export function expectSeen({ outcome }: Swept, instants: readonly string[]): void {
  expect(outcome.error).toBeUndefined();
  expect(outcome.instants).toEqual(expect.arrayContaining([...instants]));
}

/**
 * Runs an operation again and again, killed one instant later each time, until it completes, and recovers each time.
 */
export async function sweep(
  { temp, others }: Prepared,
  actionOf: (round: number) => Promise<Action>,
): Promise<Swept> {
  const recovered: string[] = [];
  for (let killAt = 1; ; killAt++) {
    const action = await actionOf(killAt);
    const outcome = await runChild({ configFile: temp.configFile, action, killAt });
    const done = await recoverTwice(temp, others);
    if (outcome) return { outcome, recovered };
    recovered.push(done.join());
  }
}
