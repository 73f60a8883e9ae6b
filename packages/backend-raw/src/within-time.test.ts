import { describe, expect, test } from "vitest";
import { withinTime } from "./within-time.ts";

/** Ends only with its signal, as an engine's copy does. */
function endless(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    // A time limit alone keeps no process alive; a copy does.
    const busy = setInterval(() => {}, 1000);
    signal.addEventListener("abort", () => {
      clearInterval(busy);
      reject(signal.reason as Error);
    });
  });
}

const never = new AbortController().signal;

describe("withinTime", () => {
  test("gives up what takes too long, naming it and the option", async () => {
    await expect(withinTime(20, never, "copying disk", endless)).rejects.toMatchObject({
      code: "CommandTimedOut",
      message: expect.stringMatching(/^copying disk did not end within 0.02 s.*command_timeout$/),
    });
  });

  test("passes on who cancels, what fails, and what comes out", async () => {
    const stop = new AbortController();
    const running = withinTime(600_000, stop.signal, "copying disk", endless);
    stop.abort(new Error("enough"));
    await expect(running).rejects.toThrow("enough");
    const failing = withinTime(600_000, never, "copying disk", () => Promise.reject(new Error("no room")));
    await expect(failing).rejects.toThrow("no room");
    expect(await withinTime(600_000, never, "copying disk", async () => 7)).toBe(7);
  });
});
