import { describe, expect, it } from "vitest";
import { LuksmithError } from "../errors/luksmith-error.ts";
import type { Logger } from "../log/logger.ts";
import type { HostTraits } from "./host-traits.ts";
import { TraitReconciler, type TraitRound } from "./trait-reconciler.ts";
import type { TraitChange, TraitReporter } from "./trait.ts";

const ABLE: HostTraits = { traits: ["CUSTOM_A"], owned: ["CUSTOM_A"], absent: [] };
const UNABLE: HostTraits = {
  traits: [],
  owned: ["CUSTOM_A"],
  absent: [{ source: "backend", traits: ["CUSTOM_A"], reason: "gone" }],
};
const provider = { id: "1", name: "host" };
const done: TraitChange = { provider, traits: [], added: [], removed: [] };
const fail = (code: "PlacementUnavailable" | "PermissionDenied") => (): TraitChange => {
  throw new LuksmithError(code, "no");
};

/** Runs a round for each element of `script`, then stops. */
async function rounds(
  script: readonly (() => TraitChange)[],
  more: { host?: () => HostTraits; random?: () => number } = {},
) {
  const stop = new AbortController();
  const logged: string[] = [];
  const log: Logger = {
    debug: () => {},
    info: (_, message) => void logged.push(`info ${message}`),
    warn: (_, message) => void logged.push(`warn ${message}`),
    error: (_, message) => void logged.push(`error ${message}`),
    child: () => log,
  };
  const pauses: number[] = [];
  const seen: TraitRound[] = [];
  let calls = 0;
  let running = 0;
  const reporter: TraitReporter = {
    name: "test",
    report: async () => {
      expect((running += 1)).toBe(1);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
      return script[calls++]?.() ?? done;
    },
  };
  await new TraitReconciler({
    host: async () => more.host?.() ?? ABLE,
    reporters: [reporter],
    intervalMs: 60_000,
    random: more.random ?? (() => 0.5),
    onRound: (round) => void seen.push(round),
    wait: async (ms) => {
      pauses.push(ms);
      if (calls >= script.length) stop.abort();
    },
  }).run({ requestId: "req-1", signal: stop.signal, log });
  return { pauses, logged, seen, calls };
}

describe("TraitReconciler", () => {
  it("reports at once and then at each interval, give or take a tenth", async () => {
    const fixed = await rounds([() => done, () => done, () => done]);
    expect([fixed.calls, fixed.pauses]).toEqual([3, [60_000, 60_000, 60_000]]);
    expect((await rounds([() => done], { random: () => 0 })).pauses).toEqual([54_000]);
    expect((await rounds([() => done], { random: () => 1 })).pauses).toEqual([66_000]);
  });

  it("tries again soon after a failure, then ever later, never later than the interval", async () => {
    const failing = Array.from({ length: 9 }, () => fail("PlacementUnavailable"));
    const { pauses } = await rounds([...failing, () => done]);
    expect(pauses).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000, 60_000]);
  });

  it("logs an error once, another one once, and that it is over", async () => {
    const away = fail("PlacementUnavailable");
    const { logged } = await rounds([away, away, fail("PermissionDenied"), () => done, away]);
    const error = "error traits cannot be reported; trying again";
    expect(logged).toEqual([error, error, "info traits are reported again", error]);
  });

  it("logs what it changed, and when the host can no more or again", async () => {
    const added = (): TraitChange => ({ ...done, added: ["CUSTOM_A"] });
    const hosts = [ABLE, UNABLE, UNABLE, ABLE];
    const { logged } = await rounds([added, () => done, () => done, added], {
      host: () => hosts.shift() ?? ABLE,
    });
    expect(logged).toEqual([
      "info reported traits",
      "warn this host does not have all traits it could have",
      "info this host has all its traits again",
      "info reported traits",
    ]);
  });

  it("ends without a word and without a report when it is stopped, also in the middle of a round", async () => {
    const stop = new AbortController();
    let reports = 0;
    const reporter: TraitReporter = {
      name: "test",
      report: async () => {
        reports += 1;
        stop.abort();
        throw new LuksmithError("Cancelled", "stopped");
      },
    };
    const seen: TraitRound[] = [];
    const log = { debug: fails, info: fails, warn: fails, error: fails, child: () => log };
    await new TraitReconciler({
      host: async () => ABLE,
      reporters: [reporter],
      intervalMs: 1,
      onRound: (round) => void seen.push(round),
    }).run({ requestId: "req-1", signal: stop.signal, log });
    expect([reports, seen]).toEqual([1, []]);
  });

  it("really waits, and stops waiting when it is stopped", async () => {
    const stop = new AbortController();
    const reporter: TraitReporter = {
      name: "test",
      report: async () => (setImmediate(() => stop.abort()), done),
    };
    const log = { debug: fails, info: fails, warn: fails, error: fails, child: () => log };
    const reconciler = new TraitReconciler({
      host: async () => ABLE,
      reporters: [reporter],
      intervalMs: 86_400_000,
    });
    await expect(reconciler.run({ requestId: "req-1", signal: stop.signal, log })).resolves.toBeUndefined();
  });
});

function fails(_: object, message: string): void {
  throw new Error(`logged: ${message}`);
}
