import { silentLogger } from "@luksmith/core";
import { describe, expect, test } from "vitest";
import { testContext } from "./test-context.ts";

describe("test context", () => {
  test("is a request of its own that nobody aborts", () => {
    const ctx = testContext();
    expect(ctx.requestId).toMatch(/^req-/);
    expect(testContext().requestId).not.toBe(ctx.requestId);
    expect(ctx.signal.aborted).toBe(false);
  });

  test("keeps everything that is logged, with the bindings of child loggers", () => {
    const ctx = testContext();
    ctx.log.info({ a: 1 }, "first");
    ctx.log.child({ disk: "disk" }).child({ step: "fill" }).warn({ step: "sync" }, "second");
    expect(ctx.logged).toEqual([
      { level: "info", message: "first", fields: { a: 1 } },
      { level: "warn", message: "second", fields: { disk: "disk", step: "sync" } },
    ]);
  });

  test("takes what the test gives", () => {
    const signal = AbortSignal.abort();
    const ctx = testContext({ signal, log: silentLogger, requestId: "req-1" });
    ctx.log.error({}, "not recorded");
    expect(ctx).toMatchObject({ signal, requestId: "req-1", logged: [] });
  });
});
