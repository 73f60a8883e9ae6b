import { describe, expect, test } from "vitest";
import { LuksmithError } from "../errors/luksmith-error.ts";
import type { OpContext } from "../image/op-context.ts";
import { silentLogger } from "../log/logger.ts";
import type { Finding, HealthCheck } from "./health-check.ts";
import { runChecks, worst } from "./run-checks.ts";

const ctx = (signal = new AbortController().signal): OpContext => ({
  requestId: "req-1",
  signal,
  log: silentLogger,
});
const subject = { instances: [] };

function check(id: string, run: HealthCheck["run"], timeoutMs?: number): HealthCheck {
  return { id, fine: `${id} is fine`, run, ...(timeoutMs === undefined ? {} : { timeoutMs }) };
}

const warning: Finding = { severity: "warning", finding: "something", fix: "mend it" };

describe("runChecks", () => {
  test("says that all is fine where nothing was found, and the worst of all", async () => {
    const checks = [check("a", async () => []), check("b", async () => [warning])];
    expect(await runChecks(checks, subject, ctx())).toEqual({
      severity: "warning",
      findings: [
        { id: "a", severity: "ok", finding: "a is fine" },
        { id: "b", ...warning },
      ],
    });
  });

  test.each([
    ["our error", new LuksmithError("NoSpace", "it is full"), "NoSpace: it is full"],
    ["any error", new TypeError("oops"), "the check itself failed: oops"],
  ])("a check that throws %s is a finding, and the next is made", async (_, error, finding) => {
    const checks = [check("bad", () => Promise.reject(error)), check("good", async () => [])];
    const { severity, findings } = await runChecks(checks, subject, ctx());
    expect(severity).toBe("error");
    expect(findings).toMatchObject([
      { id: "bad", severity: "error", finding },
      { id: "good", severity: "ok" },
    ]);
    expect(findings[0]?.fix).toBeTruthy();
  });

  test("a check that throws before it waits for anything is a finding as well", async () => {
    const bad = check("bad", () => {
      throw new Error("at once");
    });
    expect((await runChecks([bad], subject, ctx())).severity).toBe("error");
  });

  test("a check that hangs is told to stop and left behind", async () => {
    let told = false;
    const hangs = check(
      "hangs",
      (_, { signal }) => new Promise(() => signal.addEventListener("abort", () => void (told = true))),
      20,
    );
    const { findings } = await runChecks([hangs, check("good", async () => [])], subject, ctx());
    expect(findings).toMatchObject([
      { id: "hangs", severity: "error", finding: expect.stringContaining("did not end within 0.02 s") },
      { id: "good", severity: "ok" },
    ]);
    expect(told).toBe(true);
  });

  test("who cancels it stops it, also within a check", async () => {
    const stop = new AbortController();
    const hangs = check("hangs", () => {
      stop.abort(new Error("enough"));
      return new Promise(() => {});
    });
    await expect(runChecks([hangs], subject, ctx(stop.signal))).rejects.toMatchObject({ code: "Cancelled" });
  });
});

test("the worst of nothing is ok", () => {
  expect(worst([])).toBe("ok");
});
