import { GeneratedPassphrase } from "@luksmith/core";
import { userSession } from "@luksmith/keystone";
import { testContext } from "@luksmith/testkit";
import { type Fault, FaultProxy, faults, sharedOpenStack } from "@luksmith/testing-services";
import { beforeAll, describe, expect, test } from "vitest";
import { barbicanBench } from "./barbican-bench.ts";
import { expectCode, expectSame, freshName, listed, store } from "./steps.ts";

beforeAll(async () => void (await sharedOpenStack()), 180_000);

const SERVER_ERROR = JSON.stringify({ code: 500, title: "Internal Server Error", description: "boom" });

const FAULTS: readonly (readonly [string, () => Fault, object])[] = [
  ["is slower than the time-out", () => faults.delay(60_000), { reason: "timeout" }],
  ["hangs", () => faults.hang(), { reason: "timeout" }],
  ["hangs up", () => faults.dropBefore(), { reason: "broken" }],
  ["hangs up within its answer", () => faults.cut(20), { reason: "broken" }],
  [
    "answers 500",
    () => faults.status(500, SERVER_ERROR, { "content-type": "application/json" }),
    { status: 500 },
  ],
  ["answers 502 in HTML", () => faults.badGateway(), { status: 502 }],
  ["answers 503 and nothing else", () => faults.status(503), { status: 503 }],
  ["answers JSON that ends too soon", () => faults.garbage(), { reason: "protocol" }],
  ["answers JSON of another kind", () => faults.garbage("[1]"), { reason: "protocol" }],
];

describe("when Barbican", { timeout: 120_000 }, () => {
  test.each(FAULTS)("%s, it is unavailable, and all is as before", async (_, fault, details) => {
    await using bench = await barbicanBench();
    const impatient = await bench.open({ own: { timeout: "1" } });
    const ctx = await bench.as("alice");
    using secret = await store(bench.keyManager, ctx);
    bench.proxy.on(fault);
    const { passphrase, name } = secret;
    const error = await expectCode(impatient.get(secret, ctx), "KeyManagerUnavailable", ctx, passphrase);
    expect(error).toMatchObject({ retryable: true, details });
    await expectCode(impatient.delete(secret, ctx), "KeyManagerUnavailable", ctx, passphrase);
    await expectCode(listed(impatient, ctx, name), "KeyManagerUnavailable", ctx);
    bench.proxy.reset();
    await expectSame(bench.keyManager, secret, ctx);
  });

  test("is down, nothing was done", async () => {
    await using bench = await barbicanBench();
    const gone = await FaultProxy.start(bench.proxy.url);
    const { url } = gone;
    await gone[Symbol.asyncDispose]();
    const keyManager = await bench.open({ barbican: { barbican_endpoint: url } });
    const ctx = await bench.as("alice");
    using passphrase = GeneratedPassphrase.create();
    const creating = keyManager.create({ name: freshName(), passphrase }, ctx);
    const error = await expectCode(creating, "KeyManagerUnavailable", ctx, passphrase);
    expect(error).toMatchObject({ retryable: true, details: { reason: "unreachable", maybeDone: false } });
    expect(error.message).toContain("refused the connection");
  });

  test("fails again and again, it is left alone for a while", async () => {
    const patience = {
      retries: { attempts: 1, baseMs: 1, maxMs: 1 },
      breaker: { failures: 2, openMs: 600_000 },
    };
    await using bench = await barbicanBench({ patience });
    const ctx = await bench.as("alice");
    using secret = await store(bench.keyManager, ctx);
    bench.proxy.on(() => faults.badGateway());
    for (let time = 0; time < 2; time += 1) {
      await expectCode(bench.keyManager.get(secret, ctx), "KeyManagerUnavailable", ctx);
    }
    bench.proxy.reset();
    const error = await expectCode(bench.keyManager.get(secret, ctx), "KeyManagerUnavailable", ctx);
    expect(error.details).toMatchObject({ reason: "circuit-open", maybeDone: false });
    expect(bench.proxy.count()).toBe(0);
  });

  test("takes a session's token for ended, the session goes on with another", async () => {
    await using bench = await barbicanBench();
    const session = await userSession({ env: bench.cloud.environmentFor("alice"), cwd: "/" });
    if (session === undefined) throw new Error("no session");
    const ctx = testContext({ userToken: session });
    using secret = await store(bench.keyManager, ctx);
    bench.proxy.next(faults.unauthorized());
    await expectSame(bench.keyManager, secret, ctx);
    const before = bench.proxy.count();
    bench.proxy.on(() => faults.unauthorized());
    const error = await expectCode(bench.keyManager.get(secret, ctx), "TokenRefused", ctx, secret.passphrase);
    expect(error.details).toMatchObject({ status: 401 });
    expect(bench.proxy.count() - before).toBe(2);
  });

  test("is asked by somebody who gives up, it is Cancelled", async () => {
    await using bench = await barbicanBench();
    const abort = new AbortController();
    const ctx = await bench.as("alice", { signal: abort.signal });
    using passphrase = GeneratedPassphrase.create();
    bench.proxy.on(() => faults.hang());
    const creating = bench.keyManager.create({ name: freshName(), passphrase }, ctx);
    void bench.proxy.saw(({ method }) => method === "POST").then(() => abort.abort(new Error("enough")));
    const error = await expectCode(creating, "Cancelled", ctx, passphrase);
    // It may have been stored: whoever cancelled looks for the name.
    expect(error.details["maybeDone"]).toBeUndefined();
  });

  test("was closed, nothing is sent any more", async () => {
    await using bench = await barbicanBench();
    const ctx = await bench.as("alice");
    await bench.keyManager.close();
    await bench.keyManager.close();
    const error = await expectCode(listed(bench.keyManager, ctx), "KeyManagerUnavailable", ctx);
    expect(error.retryable).toBe(false);
    expect(bench.proxy.count()).toBe(0);
  });
});
