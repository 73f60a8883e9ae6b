import { randomUUID } from "node:crypto";
import { GeneratedPassphrase } from "@luksmith/core";
import { testContext } from "@luksmith/testkit";
import { faults, sharedOpenStack } from "@luksmith/testing-services";
import { beforeAll, describe, expect, test } from "vitest";
import { barbicanBench } from "./barbican-bench.ts";
import { expectCode, expectSame, freshName, listed, store } from "./steps.ts";

beforeAll(async () => void (await sharedOpenStack()), 180_000);

const MISSING = /\/v1\/secrets\/[0-9a-f-]{36}$/;
const html404 = () =>
  faults.status(
    404,
    "<html><head><title>404 Not Found</title></head><body><h1>Not Found</h1>The secret page</body></html>",
    {
      "content-type": "text/html",
    },
  );

describe("what Barbican refuses", { timeout: 60_000 }, () => {
  test.each([
    ["barbican", "bob", ["member"]],
    ["barbican", "erin", ["reader"]],
    ["barbican-new", "carol", ["creator"]],
  ] as const)("with %s, %s may not create, and learns which roles it takes", async (service, user, roles) => {
    await using bench = await barbicanBench({ service });
    const ctx = await bench.as(user);
    using passphrase = GeneratedPassphrase.create();
    const creating = bench.keyManager.create({ name: freshName(), passphrase }, ctx);
    const error = await expectCode(creating, "PermissionDenied", ctx, passphrase);
    expect(error).toMatchObject({
      retryable: false,
      details: { status: 403, maybeDone: false, roles: expect.arrayContaining([...roles]) },
    });
    expect(error.details["serviceRequestId"]).toMatch(/^req-/);
    for (const word of [user, ...roles, "creator", "member", "Secret creation attempt not allowed"]) {
      expect(error.message).toContain(word);
    }
    expect(bench.proxy.count("POST")).toBe(1);
  });

  test("reading needs more than the right to see that it is there", async () => {
    expect.hasAssertions();
    await using bench = await barbicanBench();
    using secret = await store(bench.keyManager, await bench.as("alice"));
    await expectSame(bench.keyManager, secret, await bench.as("olga"));
    const ctx = await bench.as("audrey");
    await expectCode(bench.keyManager.get(secret, ctx), "PermissionDenied", ctx, secret.passphrase);
  });

  test("another project's secret is denied, not absent", async () => {
    await using bench = await barbicanBench();
    using secret = await store(bench.keyManager, await bench.as("alice"));
    const ctx = await bench.as("mallory");
    for (const act of [bench.keyManager.get(secret, ctx), bench.keyManager.delete(secret, ctx)]) {
      const error = await expectCode(act, "PermissionDenied", ctx, secret.passphrase);
      expect(error.message).toContain("another project");
      expect(error.details).toMatchObject({ id: secret.id, status: 403 });
    }
    await expectSame(bench.keyManager, secret, await bench.as("alice"));
  });

  test("an expired token is refused before anything is sent to Barbican", async () => {
    await using bench = await barbicanBench();
    const ctx = testContext({ userToken: await bench.token("alice", { expiresInSeconds: -60 }) });
    using passphrase = GeneratedPassphrase.create();
    const creating = bench.keyManager.create({ name: freshName(), passphrase }, ctx);
    const error = await expectCode(creating, "TokenRefused", ctx, passphrase);
    expect(error.details["maybeDone"]).toBe(false);
    expect(bench.proxy.count()).toBe(0);
  });

  test("a token that is revoked meanwhile is refused by Barbican, and tried once", async () => {
    await using bench = await barbicanBench();
    const ctx = await bench.as("alice");
    await bench.keyManager.scope(ctx);
    const token = (await ctx.userToken?.current(ctx))?.use((bytes) => Buffer.from(bytes).toString());
    await bench.cloud.revokeToken(token ?? "");
    using passphrase = GeneratedPassphrase.create();
    const creating = bench.keyManager.create({ name: freshName(), passphrase }, ctx);
    const error = await expectCode(creating, "TokenRefused", ctx, passphrase);
    expect(error.details).toMatchObject({ status: 401, maybeDone: false });
    expect(error.message).toMatch(/Barbican refused the token.*log in again/);
    expect(bench.proxy.count()).toBe(1);
  });

  test("an unscoped token is refused before anything is sent to Barbican, which would answer 500", async () => {
    await using bench = await barbicanBench();
    const ctx = testContext({ userToken: await bench.token("alice", { scope: "unscoped" }) });
    const error = await expectCode(bench.keyManager.get({ id: randomUUID() }, ctx), "TokenRefused", ctx);
    expect(error.message).toMatch(/not scoped to a project.*OS_PROJECT_NAME/);
    expect(bench.proxy.count()).toBe(0);
  });

  test("a full quota is not a missing right", async () => {
    await using bench = await barbicanBench();
    const { id, name } = await bench.cloud.createProject(`quota-${randomUUID()}`, {
      alice: ["member", "creator"],
    });
    await bench.cloud.setBarbicanQuota(id, 1);
    const userToken = await bench.token("alice", { scope: { project: name } });
    using secret = await store(bench.keyManager, testContext({ userToken }));
    const ctx = testContext({ userToken });
    using passphrase = GeneratedPassphrase.create();
    const creating = bench.keyManager.create({ name: freshName(), passphrase }, ctx);
    const error = await expectCode(creating, "QuotaExceeded", ctx, passphrase);
    expect(error).toMatchObject({
      retryable: true,
      details: { status: 403, projectId: id, maybeDone: false },
    });
    await bench.keyManager.delete(secret, ctx);
    using next = await store(bench.keyManager, ctx);
    expect(await listed(bench.keyManager, ctx)).toMatchObject([{ id: next.id }]);
  });

  test("a deleted secret is absent, and deleting it again a success", async () => {
    await using bench = await barbicanBench();
    const ctx = await bench.as("alice");
    using secret = await store(bench.keyManager, ctx);
    await bench.keyManager.delete(secret, ctx);
    const error = await expectCode(
      bench.keyManager.get(secret, ctx),
      "EphemeralEncryptionSecretNotFound",
      ctx,
      secret.passphrase,
    );
    expect(error.details).toMatchObject({ id: secret.id, status: 404 });
    await bench.keyManager.delete(secret, ctx);
  });

  test.each(["..", "", "x/../y", "9f5b0a7e"])("the id %j is sent nowhere", async (id) => {
    await using bench = await barbicanBench();
    const ctx = await bench.as("alice");
    await expectCode(bench.keyManager.get({ id }, ctx), "EphemeralEncryptionSecretNotFound", ctx);
    await bench.keyManager.delete({ id }, ctx);
    expect(bench.proxy.count()).toBe(0);
  });

  test("a 404 that is not Barbican's proves nothing", async () => {
    await using bench = await barbicanBench();
    const ctx = await bench.as("alice");
    using secret = await store(bench.keyManager, ctx);
    bench.proxy.on(({ path }) => (MISSING.test(path) ? html404() : undefined));
    await expectCode(bench.keyManager.get(secret, ctx), "ServiceRefused", ctx, secret.passphrase);
    const error = await expectCode(bench.keyManager.delete(secret, ctx), "ServiceRefused", ctx);
    expect(error.message).toContain("barbican_endpoint");
    bench.proxy.reset();
    await expectSame(bench.keyManager, secret, ctx);
  });

  test.each(["/nowhere", "/v1/nowhere"])(
    "neither does Barbican's own for %s, which it does not have",
    async (path) => {
      await using bench = await barbicanBench();
      const lost = await bench.open({ barbican: { barbican_endpoint: `${bench.proxy.url}${path}` } });
      const ctx = await bench.as("alice");
      using secret = await store(bench.keyManager, ctx);
      await expectCode(lost.get(secret, ctx), "ServiceRefused", ctx);
      await expectCode(lost.delete(secret, ctx), "ServiceRefused", ctx);
      expect(await listed(bench.keyManager, ctx, secret.name)).toHaveLength(1);
    },
  );

  test.each(["keystone", "placement", "glance"] as const)("neither does what %s says", async (service) => {
    await using bench = await barbicanBench();
    const lost = await bench.open({ barbican: { barbican_endpoint: bench.cloud.urls[service] } });
    const ctx = await bench.as("alice");
    const ref = { id: randomUUID() };
    await expectCode(lost.get(ref, ctx), "ServiceRefused", ctx);
    const error = await expectCode(lost.delete(ref, ctx), "ServiceRefused", ctx);
    expect(error.retryable).toBe(false);
  });

  test.each([
    [400, "ServiceRefused", false],
    [413, "ServiceRefused", false],
    [429, "KeyManagerUnavailable", true],
  ] as const)("%i is %s", async (status, code, retryable) => {
    await using bench = await barbicanBench();
    const ctx = await bench.as("alice");
    using passphrase = GeneratedPassphrase.create();
    const body = JSON.stringify({ code: status, title: "No", description: "not this way" });
    bench.proxy.on(() => faults.status(status, body, { "content-type": "application/json" }));
    const creating = bench.keyManager.create({ name: freshName(), passphrase }, ctx);
    const error = await expectCode(creating, code, ctx, passphrase);
    expect(error).toMatchObject({ retryable, details: { status, maybeDone: false } });
    expect(error.message).toContain("not this way");
  });

  test("a server that repeats what it was sent gives nothing away", async () => {
    await using bench = await barbicanBench();
    const ctx = await bench.as("alice");
    using passphrase = GeneratedPassphrase.create();
    const payload = passphrase.use((bytes) => Buffer.from(bytes).toString());
    const description = `Provided object does not match schema 'Secret': '${payload}' is not allowed`;
    bench.proxy.on(() =>
      faults.status(400, JSON.stringify({ code: 400, title: "Bad Request", description }), {
        "content-type": "application/json",
      }),
    );
    const creating = bench.keyManager.create({ name: freshName(), passphrase }, ctx);
    const error = await expectCode(creating, "ServiceRefused", ctx, passphrase);
    expect(error.message).toContain("does not match schema");
  });
});
