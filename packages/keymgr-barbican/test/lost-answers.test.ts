import { GeneratedPassphrase } from "@luksmith/core";
import { testContext } from "@luksmith/testkit";
import { type Fault, faults, sharedOpenStack } from "@luksmith/testing-services";
import { beforeAll, describe, expect, test } from "vitest";
import { barbicanBench } from "./barbican-bench.ts";
import { intercepted } from "./intercepted.ts";
import { expectClean, expectCode, expectSame, freshName, listed, store } from "./steps.ts";

beforeAll(async () => void (await sharedOpenStack()), 180_000);

const isCreation = ({ method, path }: { method: string; path: string }) =>
  method === "POST" && path === "/v1/secrets";

const BAD_GATEWAY = { status: 502, body: "<html><title>502 Bad Gateway</title></html>" };

const LOST: readonly (readonly [string, () => Fault, boolean])[] = [
  ["carried out, and the connection lost", faults.dropAfter, true],
  ["carried out, and the answer cut", () => faults.cut(10), true],
  ["not carried out, and the connection lost", faults.dropBefore, false],
  ["not carried out, and 502 answered", faults.badGateway, false],
  [
    "answered with garbage",
    () => faults.status(201, '{"secret_ref": "http:', { "content-type": "application/json" }),
    false,
  ],
  [
    "answered with another thing",
    () =>
      faults.status(201, '{"secret_ref": "http://b/v1/secrets/all"}', { "content-type": "application/json" }),
    false,
  ],
];

describe("a creation", { timeout: 120_000 }, () => {
  test.each(LOST)("that is %s makes one secret", async (_, fault, carriedOut) => {
    await using bench = await barbicanBench();
    const ctx = await bench.as("alice");
    bench.proxy.next(fault(), isCreation);
    using secret = await store(bench.keyManager, ctx);
    expect(bench.proxy.requests.filter(isCreation)).toHaveLength(carriedOut ? 1 : 2);
    expect(await listed(bench.keyManager, ctx, secret.name)).toMatchObject([{ id: secret.id }]);
    await expectSame(bench.keyManager, secret, ctx);
    await expectClean([secret.id, ctx.logged], ctx, secret.passphrase);
  });

  test("that hangs is sent again after the time-out", async () => {
    await using bench = await barbicanBench();
    const impatient = await bench.open({ own: { timeout: "2" } });
    const ctx = await bench.as("alice");
    bench.proxy.next(faults.hang(), isCreation);
    using secret = await store(impatient, ctx);
    expect((await listed(bench.keyManager, ctx, secret.name)).map(({ id }) => id)).toContain(secret.id);
    await expectSame(bench.keyManager, secret, ctx);
  });

  test("that is carried out, and 502 answered, makes one secret", async () => {
    await using bench = await barbicanBench();
    await using server = await intercepted(bench.proxy.url, async (carryOut) => {
      await carryOut();
      return BAD_GATEWAY;
    });
    const keyManager = await bench.open({ barbican: { barbican_endpoint: server.url } });
    const ctx = await bench.as("alice");
    using secret = await store(keyManager, ctx);
    expect(bench.proxy.requests.filter(isCreation)).toHaveLength(1);
    await expectSame(bench.keyManager, secret, ctx);
  });

  test("that arrives late, after it was sent again, leaves one secret", async () => {
    await using bench = await barbicanBench();
    let late: (() => Promise<unknown>) | undefined;
    await using server = await intercepted(bench.proxy.url, async (carryOut, count) => {
      if (count === 1) {
        late = carryOut;
        return BAD_GATEWAY;
      }
      const answer = await carryOut();
      await late?.();
      return answer;
    });
    const keyManager = await bench.open({ barbican: { barbican_endpoint: server.url } });
    const ctx = await bench.as("alice");
    using secret = await store(keyManager, ctx);
    expect(bench.proxy.requests.filter(isCreation)).toHaveLength(2);
    expect(await listed(bench.keyManager, ctx, secret.name)).toMatchObject([{ id: secret.id }]);
    await expectSame(bench.keyManager, secret, ctx);
    expect(ctx.logged.map(({ message }) => message)).toContain("deleted a secret that was stored twice");
  });

  test("takes no secret for its own that holds another passphrase under its name", async () => {
    await using bench = await barbicanBench();
    const ctx = await bench.as("alice");
    using other = await store(bench.keyManager, ctx);
    using passphrase = GeneratedPassphrase.create();
    bench.proxy.next(faults.dropBefore(), isCreation);
    const { name } = other;
    const { id } = await bench.keyManager.create({ name, passphrase }, ctx);
    expect(id).not.toBe(other.id);
    await expectSame(bench.keyManager, { ...other, id, passphrase, [Symbol.dispose]: () => {} }, ctx);
    await expectSame(bench.keyManager, other, ctx);
  });

  test("of which nobody knows the end says that it may have been done", async () => {
    await using bench = await barbicanBench();
    const ctx = await bench.as("alice");
    using passphrase = GeneratedPassphrase.create();
    const name = freshName();
    bench.proxy.next(faults.dropAfter(), isCreation);
    bench.proxy.on(({ method }) => (method === "GET" ? faults.badGateway() : undefined));
    const creating = bench.keyManager.create({ name, passphrase }, ctx);
    const error = await expectCode(creating, "KeyManagerUnavailable", ctx, passphrase);
    expect(error.details).toMatchObject({ maybeDone: true, reason: "broken" });
    bench.proxy.reset();
    // As recovery does it.
    for (const info of await listed(bench.keyManager, ctx, name)) await bench.keyManager.delete(info, ctx);
    expect(await listed(bench.keyManager, ctx, name)).toEqual([]);
  });

  test("that is lost each time gives up, bounded", async () => {
    await using bench = await barbicanBench();
    const ctx = await bench.as("alice");
    using passphrase = GeneratedPassphrase.create();
    bench.proxy.on((request) => (isCreation(request) ? faults.dropBefore() : undefined));
    const creating = bench.keyManager.create({ name: freshName(), passphrase }, ctx);
    const error = await expectCode(creating, "KeyManagerUnavailable", ctx, passphrase);
    expect(error.details["maybeDone"]).toBe(true);
    expect(bench.proxy.requests.filter(isCreation)).toHaveLength(3);
  });

  test("that was lost once and then refused may have been done", async () => {
    await using bench = await barbicanBench();
    const ctx = await bench.as("alice");
    using passphrase = GeneratedPassphrase.create();
    bench.proxy.next(faults.dropBefore(), isCreation);
    bench.proxy.on((request) => (isCreation(request) ? faults.status(400, "{}") : undefined));
    const creating = bench.keyManager.create({ name: freshName(), passphrase }, ctx);
    const error = await expectCode(creating, "ServiceRefused", ctx, passphrase);
    expect(error.details).toMatchObject({ status: 400, maybeDone: true });
  });
});

describe("a list", { timeout: 120_000 }, () => {
  test("has every secret once, over several pages, while others are deleted", async () => {
    await using bench = await barbicanBench();
    const project = `list-${process.pid}-${Date.now()}`;
    await bench.cloud.createProject(project, { alice: ["member", "creator"] });
    const ctx = testContext({ userToken: await bench.token("alice", { scope: { project } }) });
    using passphrase = GeneratedPassphrase.create();
    const ids: string[] = [];
    for (let count = 0; count < 12; count += 1) {
      ids.push((await bench.keyManager.create({ name: freshName(), passphrase }, ctx)).id);
    }
    const found: string[] = [];
    for await (const { id } of bench.keyManager.list({}, ctx)) {
      found.push(id);
      // What is on the second page moves to the first.
      if (found.length === 3)
        for (const gone of ids.slice(0, 3)) await bench.keyManager.delete({ id: gone }, ctx);
    }
    expect(found).toEqual(ids);
    expect(bench.proxy.requests.filter(({ path }) => path.startsWith("/v1/secrets?")).length).toBeGreaterThan(
      2,
    );
  });

  test("without a name is of disks' secrets only, with one of any", async () => {
    await using bench = await barbicanBench();
    const ctx = await bench.as("alice");
    using passphrase = GeneratedPassphrase.create();
    const name = `somebody's 100 % + own ${freshName()}`;
    const { id } = await bench.keyManager.create({ name, passphrase }, ctx);
    expect((await listed(bench.keyManager, ctx)).map((info) => info.id)).not.toContain(id);
    expect(await listed(bench.keyManager, ctx, name)).toMatchObject([{ id, name }]);
  });
});
