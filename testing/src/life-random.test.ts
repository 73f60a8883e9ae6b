import { randomInt } from "node:crypto";
import { type OwnLibvirt, startLibvirt, tinyGuest } from "@luksmith/testing-services";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runChild } from "./child/run-child.ts";
import { watchLives } from "./mortal.ts";
import { actMortally } from "./mortal-host.ts";
import { Random } from "./random.ts";
import { type Act, RandomLife } from "./random-life.ts";

/** `LUKSMITH_SEQUENCES=500` takes half an hour; `LUKSMITH_SEED` repeats some. */
const SEQUENCES = Number(process.env["LUKSMITH_SEQUENCES"] ?? 12);
const SEED = Number(process.env["LUKSMITH_SEED"] ?? randomInt(2 ** 32));
/** Of those, with processes that are really killed. */
const KILLED = Math.min(2, SEQUENCES);
const STEPS = 8;

let env: OwnLibvirt;
beforeAll(async () => {
  await tinyGuest();
  env = await startLibvirt();
  await watchLives();
}, 300_000);
afterAll(() => env[Symbol.asyncDispose]());

/** In a process of its own, killed by SIGKILL. */
const actInChild: Act = async ({ configFile }, action, killAt) => {
  const scenario = { configFile, action };
  const outcome = await runChild(killAt === undefined ? scenario : { ...scenario, killAt });
  return outcome && (outcome.error ? { error: outcome.error } : {});
};

describe("whatever is done, in whatever order, and wherever it is cut short", () => {
  test.each(Array.from({ length: SEQUENCES }, (_, index) => [SEED + index, index < KILLED] as const))(
    "disks, keys, guests and inventory belong together; sequence %i",
    { timeout: 300_000 },
    async (seed, killed) => {
      const type = seed % 2 === 0 ? "raw" : "qcow2";
      const life = new RandomLife(new Random(seed), type, env, killed ? actInChild : actMortally);
      expect(await life.run(STEPS)).toBe(STEPS);
    },
  );
});
