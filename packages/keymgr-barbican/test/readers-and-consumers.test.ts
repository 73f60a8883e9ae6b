import { randomUUID } from "node:crypto";
import { GeneratedPassphrase, type SecretConsumer } from "@luksmith/core";
import { testContext } from "@luksmith/testkit";
import { call, faults, sharedOpenStack } from "@luksmith/testing-services";
import { beforeAll, describe, expect, test } from "vitest";
import { type BarbicanBench, barbicanBench } from "./barbican-bench.ts";
import { expectCode, expectSame, freshName, listed, store } from "./steps.ts";

beforeAll(async () => void (await sharedOpenStack()), 180_000);

const DISK = (): SecretConsumer => ({ resourceType: "disk", resourceId: randomUUID() });
const JSON_TYPE = { "content-type": "application/json" };

/** Barbican's own word on a secret, not through the code under test. */
async function consumersOf(bench: BarbicanBench, id: string): Promise<unknown> {
  const token = await bench.cloud.issueToken("alice");
  const { body } = await call("GET", `${bench.cloud.urls.barbican}/v1/secrets/${id}/consumers`, { token });
  return (body as { consumers: unknown }).consumers;
}

describe("acl", { timeout: 60_000 }, () => {
  test("project: who may read by Barbican's policy, reads", async () => {
    expect.hasAssertions();
    await using bench = await barbicanBench();
    using secret = await store(bench.keyManager, await bench.as("alice"));
    await expectSame(bench.keyManager, secret, await bench.as("dave"));
  });

  test.each(["barbican", "barbican-new"] as const)(
    "private: its creator and admins read, with %s",
    async (service) => {
      await using bench = await barbicanBench({ service, own: { acl: "private" } });
      const alice = await bench.as("alice");
      using secret = await store(bench.keyManager, alice);
      await expectSame(bench.keyManager, secret, alice);
      await expectSame(bench.keyManager, secret, await bench.as("paula"));
      const dave = await bench.as("dave");
      const error = await expectCode(
        bench.keyManager.get(secret, dave),
        "PermissionDenied",
        dave,
        secret.passphrase,
      );
      expect(error.message).toContain("private");
      await expectCode(bench.keyManager.delete(secret, dave), "PermissionDenied", dave);
      await bench.keyManager.delete(secret, alice);
    },
  );

  test.each(["barbican", "barbican-new"] as const)(
    "agent: the agent reads without a user, with %s",
    async (service) => {
      expect.hasAssertions();
      await using bench = await barbicanBench({ service, own: { acl: "agent" }, account: "hostagent" });
      const alice = await bench.as("alice");
      using secret = await store(bench.keyManager, alice);
      const nobody = testContext();
      await expectSame(bench.keyManager, secret, alice);
      await expectSame(bench.keyManager, secret, nobody);
      const dave = await bench.as("dave");
      await expectCode(bench.keyManager.get(secret, dave), "PermissionDenied", dave);
      using passphrase = GeneratedPassphrase.create();
      const creating = bench.keyManager.create({ name: freshName(), passphrase }, nobody);
      await expectCode(creating, "TokenMissing", nobody);
      await expectCode(bench.keyManager.delete(secret, nobody), "TokenMissing", nobody);
      await expectCode(bench.keyManager.scope(nobody), "TokenMissing", nobody);
      // What was not stored for it, it does not read.
      const other = await bench.open({ own: { acl: "project" } });
      using theirs = await store(other, alice);
      await expectCode(bench.keyManager.get(theirs, nobody), "PermissionDenied", nobody);
    },
  );

  test.each([403, 500])("that cannot be set (%i) leaves no secret", async (status) => {
    await using bench = await barbicanBench({ own: { acl: "private" } });
    const ctx = await bench.as("alice");
    using passphrase = GeneratedPassphrase.create();
    const name = freshName();
    bench.proxy.on(({ path }) =>
      path.endsWith("/acl") ? faults.status(status, "{}", JSON_TYPE) : undefined,
    );
    const code = status === 403 ? "PermissionDenied" : "KeyManagerUnavailable";
    const creating = bench.keyManager.create({ name, passphrase }, ctx);
    const error = await expectCode(creating, code, ctx, passphrase);
    expect(error.details).toMatchObject({ status, maybeDone: false });
    expect(await listed(bench.keyManager, ctx, name)).toEqual([]);
  });

  test("that is cancelled meanwhile leaves no secret", async () => {
    await using bench = await barbicanBench({ own: { acl: "private" } });
    const abort = new AbortController();
    const ctx = await bench.as("alice", { signal: abort.signal });
    using passphrase = GeneratedPassphrase.create();
    const name = freshName();
    bench.proxy.on(({ path }) => (path.endsWith("/acl") ? faults.hang() : undefined));
    void bench.proxy.saw(({ path }) => path.endsWith("/acl")).then(() => abort.abort(new Error("enough")));
    await expectCode(bench.keyManager.create({ name, passphrase }, ctx), "Cancelled", ctx, passphrase);
    expect(await listed(bench.keyManager, await bench.as("alice"), name)).toEqual([]);
  });

  test("that cannot be set, of a secret that cannot be deleted, says that it is still there", async () => {
    await using bench = await barbicanBench({ own: { acl: "private" } });
    const ctx = await bench.as("alice");
    using passphrase = GeneratedPassphrase.create();
    bench.proxy.on(({ path, method }) =>
      path.endsWith("/acl") || method === "DELETE" ? faults.badGateway() : undefined,
    );
    const creating = bench.keyManager.create({ name: freshName(), passphrase }, ctx);
    const error = await expectCode(creating, "KeyManagerUnavailable", ctx, passphrase);
    expect(error.details["maybeDone"]).toBe(true);
    expect(ctx.logged).toContainEqual(
      expect.objectContaining({
        level: "warn",
        fields: expect.objectContaining({ secretId: expect.any(String) }),
      }),
    );
  });
});

describe("consumers", { timeout: 60_000 }, () => {
  test.each(["barbican", "barbican-new"] as const)(
    "note down the disk, and go with the secret, with %s",
    async (service) => {
      await using bench = await barbicanBench({ service });
      const ctx = await bench.as("alice");
      const consumer = DISK();
      using secret = await store(bench.keyManager, ctx, consumer);
      const token = await bench.cloud.issueToken("alice");
      const url = `${bench.cloud.urls[service]}/v1/secrets/${secret.id}/consumers`;
      expect((await call("GET", url, { token })).body).toMatchObject({
        consumers: [{ service: "luksmith", resource_type: "disk", resource_id: consumer.resourceId }],
        total: 1,
      });
      await bench.keyManager.delete(secret, ctx);
      await expectCode(bench.keyManager.get(secret, ctx), "EphemeralEncryptionSecretNotFound", ctx);
      expect(
        bench.proxy.requests.filter(({ method }) => method === "DELETE").map(({ path }) => path),
      ).toEqual([`/v1/secrets/${secret.id}/consumers`, `/v1/secrets/${secret.id}`]);
    },
  );

  test("are left out when that is asked for", async () => {
    await using bench = await barbicanBench({ own: { consumers: "false" } });
    using secret = await store(bench.keyManager, await bench.as("alice"), DISK());
    expect(await consumersOf(bench, secret.id)).toEqual([]);
  });

  test("of others keep the secret, until they are gone", async () => {
    await using bench = await barbicanBench();
    const ctx = await bench.as("alice");
    using secret = await store(bench.keyManager, ctx, DISK());
    const token = await bench.cloud.issueToken("alice");
    const url = `${bench.cloud.urls.barbican}/v1/secrets/${secret.id}/consumers`;
    const json = { service: "glance", resource_type: "image", resource_id: randomUUID() };
    await call("POST", url, { token, json });
    const error = await expectCode(bench.keyManager.delete(secret, ctx), "SecretInUse", ctx);
    expect(error).toMatchObject({ category: "conflict", details: { id: secret.id, consumers: [json] } });
    expect(error.message).toContain(json.resource_id);
    await expectSame(bench.keyManager, secret, ctx);
    expect(await consumersOf(bench, secret.id)).toHaveLength(2);
    await call("DELETE", url, { token, json });
    await bench.keyManager.delete(secret, ctx);
    await expectCode(bench.keyManager.get(secret, ctx), "EphemeralEncryptionSecretNotFound", ctx);
  });

  test.each([403, 404, 406, 500])(
    "that cannot be registered (%i) are missed once, in a warning",
    async (status) => {
      await using bench = await barbicanBench();
      const ctx = await bench.as("alice");
      bench.proxy.on(({ path, method }) =>
        path.includes("/consumers") && method === "POST" ? faults.status(status, "{}", JSON_TYPE) : undefined,
      );
      using first = await store(bench.keyManager, ctx, DISK());
      using second = await store(bench.keyManager, ctx, DISK());
      await expectSame(bench.keyManager, first, ctx);
      await expectSame(bench.keyManager, second, ctx);
      expect(ctx.logged.filter(({ level }) => level === "warn")).toHaveLength(1);
    },
  );

  test.each([403, 404, 405, 406])(
    "that the server does not show (%i) do not keep a secret",
    async (status) => {
      expect.hasAssertions();
      await using bench = await barbicanBench();
      const ctx = await bench.as("alice");
      using secret = await store(bench.keyManager, ctx, DISK());
      const html = faults.status(status, "<html><title>no</title></html>", { "content-type": "text/html" });
      bench.proxy.on(({ path }) => (path.includes("/consumers") ? html : undefined));
      await bench.keyManager.delete(secret, ctx);
      await expectCode(bench.keyManager.get(secret, ctx), "EphemeralEncryptionSecretNotFound", ctx);
    },
  );
});
