import { GeneratedPassphrase } from "@luksmith/core";
import { testContext } from "@luksmith/testkit";
import { describe, expect, test } from "vitest";
import { freshName, listed, refusal, stored } from "./steps.ts";
import { vaultBench } from "./vault-bench.ts";
import type { Fault, VaultServer } from "./vault-server.ts";

type Reason = string;
const says = (status: number, ...errors: string[]): Fault => ({ status, body: { errors } });
const notHealth = ({ url }: { url: string }): boolean => !url.includes("/sys/health");

const AWAY: readonly (readonly [string, (vault: VaultServer) => void, Reason])[] = [
  ["is sealed", (vault) => void (vault.sealed = true), "sealed"],
  ["is a standby that forwards nothing", (vault) => void vault.fail(says(429)), "standby"],
  ["is a performance standby that is behind", (vault) => void vault.fail(says(412)), "stale"],
  ["is a secondary for disasters", (vault) => void vault.fail(says(472)), "standby"],
  ["is a performance standby", (vault) => void vault.fail(says(473)), "standby"],
  ["is new", (vault) => void vault.fail(says(501)), "not-initialized"],
  [
    "limits the rate",
    (vault) => void vault.fail(says(429, 'request path "secret/data/x": rate limit quota exceeded')),
    "rate-limited",
  ],
  ["fails", (vault) => void vault.fail(says(500, "internal error"), notHealth), "failed"],
  ["is behind a proxy that fails", (vault) => void vault.fail({ status: 502, body: "<html>" }), "failed"],
  ["is gone", (vault) => void vault.fail("drop-before"), "unreachable"],
  ["goes while it answers", (vault) => void vault.fail("drop-after"), "unreachable"],
  ["says nothing", (vault) => void vault.fail("hang"), "timeout"],
  ["answers another thing", (vault) => void vault.fail({ status: 200, body: "[1]" }), "failed"],
  [
    "answers JSON that ends too soon",
    (vault) => void vault.fail({ status: 200, body: '{"data":{"da' }),
    "failed",
  ],
];

describe("when Vault", () => {
  test.each(AWAY)(
    "%s, it is unavailable, says why, and all is as before",
    { timeout: 60_000 },
    async (_, fault, reason) => {
      await using bench = await vaultBench();
      using secret = await stored(bench.keyManager);
      const { id, name, passphrase } = secret;
      const impatient = bench.open({ timeout: "1" });
      fault(bench.vault);
      const error = await refusal((ctx) => impatient.get({ id }, ctx), "KeyManagerUnavailable", passphrase);
      expect(error).toMatchObject({ retryable: true, details: { reason, id } });
      await refusal(() => listed(impatient, name), "KeyManagerUnavailable");
    },
  );

  test("is sealed, nothing is tried again, and nothing is stored", async () => {
    await using bench = await vaultBench();
    bench.vault.sealed = true;
    using passphrase = GeneratedPassphrase.create();
    const name = freshName();
    const creating = refusal(
      (ctx) => bench.keyManager.create({ name, passphrase }, ctx),
      "KeyManagerUnavailable",
      passphrase,
    );
    expect((await creating).details).toMatchObject({ reason: "sealed", maybeDone: false });
    expect(bench.vault.seen.length).toBe(1);
    bench.vault.sealed = false;
    expect(await listed(bench.keyManager, name)).toEqual([]);
  });

  test("is in trouble for a moment, nobody notices", async () => {
    await using bench = await vaultBench();
    for (const fault of ["drop-before", "drop-after", says(503), says(473), says(412)] as const) {
      for (const part of ["/metadata/", "/data/"]) {
        bench.vault.fail(fault, ({ url, method }) => method === "POST" && url.includes(part), 1);
        using secret = await stored(bench.keyManager);
        using back = await bench.keyManager.get(secret, testContext());
        expect(back.equals(secret.passphrase)).toBe(true);
        expect(await listed(bench.keyManager, secret.name)).toHaveLength(1);
      }
    }
  });

  test("asks for patience, it is given, within bounds", async () => {
    await using bench = await vaultBench();
    using secret = await stored(bench.keyManager);
    const limited = {
      status: 429,
      body: { errors: ["rate limit quota exceeded"] },
      headers: { "retry-after": "1" },
    };
    bench.vault.fail(limited, () => true, 1);
    const before = performance.now();
    using back = await bench.keyManager.get(secret, testContext());
    expect(back.equals(secret.passphrase)).toBe(true);
    expect(performance.now() - before).toBeGreaterThan(700);
  });

  test("loses every answer to a creation, it may have been done, and recovery finds it or nothing", async () => {
    await using bench = await vaultBench();
    using passphrase = GeneratedPassphrase.create();
    const name = freshName();
    bench.vault.fail("drop-after", ({ url, method }) => url.includes("/data/") && method === "POST");
    const away = bench.vault.fail("drop-before", ({ method }) => method === "DELETE");
    const error = await refusal(
      (ctx) => bench.keyManager.create({ name, passphrase }, ctx),
      "KeyManagerUnavailable",
      passphrase,
    );
    expect(error.details["maybeDone"]).toBe(true);
    away[Symbol.dispose]();
    const [left] = await listed(bench.keyManager, name);
    await bench.keyManager.delete({ id: left?.id ?? "" }, testContext());
    expect(bench.vault.engine.secrets.size).toBe(0);
  });

  test("is asked by somebody who gives up, it is Cancelled, and nothing stays", async () => {
    await using bench = await vaultBench();
    using passphrase = GeneratedPassphrase.create();
    const abort = new AbortController();
    bench.vault.fail("hang", ({ url }) => {
      if (url.includes("/data/")) abort.abort(new Error("enough"));
      return url.includes("/data/");
    });
    const ctx = testContext({ signal: abort.signal });
    await refusal(
      () => bench.keyManager.create({ name: freshName(), passphrase }, ctx),
      "Cancelled",
      passphrase,
    );
    expect(bench.vault.engine.secrets.size).toBe(0);
  });

  test("would delete it by itself, it is not stored", async () => {
    await using bench = await vaultBench();
    bench.vault.engine.deleteVersionAfterMs = 3_600_000;
    using passphrase = GeneratedPassphrase.create();
    const error = await refusal(
      (ctx) => bench.keyManager.create({ name: freshName(), passphrase }, ctx),
      "ServiceRefused",
      passphrase,
    );
    expect(error.message).toContain("delete_version_after");
    expect(error).toMatchObject({ retryable: false, details: { maybeDone: false } });
    expect(bench.vault.engine.secrets.size).toBe(0);
  });
});

describe("a 404", () => {
  const cases: readonly (readonly [string, Fault, string])[] = [
    ["of a proxy", { status: 404, body: "<html>not found</html>" }, "ServiceRefused"],
    ["of another service", { status: 404, body: '{"message":"no route"}' }, "ServiceRefused"],
    ["for no mount", says(404, 'no handler for route "secret/data/x"'), "ServiceRefused"],
    [
      "of version 1 of the engine",
      says(404, "Invalid path for a versioned K/V secrets engine"),
      "ServiceRefused",
    ],
    ["of Vault", says(404), "EphemeralEncryptionSecretNotFound"],
  ];
  test.each(cases)("%s means what it says, and deletes nothing", async (_, fault, code) => {
    await using bench = await vaultBench();
    using secret = await stored(bench.keyManager);
    using _fault = bench.vault.fail(fault);
    await refusal((ctx) => bench.keyManager.get(secret, ctx), code, secret.passphrase);
    if (code !== "ServiceRefused") return;
    await refusal((ctx) => bench.keyManager.delete(secret, ctx), code);
    await refusal(() => listed(bench.keyManager, secret.name), code);
  });

  test("of a version that was deleted or destroyed by hand says so", async () => {
    await using bench = await vaultBench();
    using secret = await stored(bench.keyManager);
    const [entry] = bench.vault.engine.secrets.values();
    const version = entry?.versions[0];
    if (!version) throw new Error("it is stored");
    version.deletion_time = new Date(0).toISOString();
    const absent = "EphemeralEncryptionSecretNotFound";
    const error = await refusal((ctx) => bench.keyManager.get(secret, ctx), absent);
    expect(error.message).toMatch(/was deleted in Vault at 1970.*undelete/);
    version.destroyed = true;
    expect((await refusal((ctx) => bench.keyManager.get(secret, ctx), absent)).message).toMatch(/destroyed/);
    await bench.keyManager.delete(secret, testContext());
    expect(bench.vault.engine.secrets.size).toBe(0);
  });
});

test("who writes another version by hand does not lock the disk", async () => {
  await using bench = await vaultBench();
  using secret = await stored(bench.keyManager);
  const [key = ""] = bench.vault.engine.secrets.keys();
  const written = bench.vault.engine.handle("POST", `data/${key}`, new URLSearchParams(), {
    options: { cas: 1 },
    data: { passphrase: "oops" },
  });
  expect(written.status).toBe(200);
  const blind = bench.vault.engine.handle("POST", `data/${key}`, new URLSearchParams(), { data: {} });
  expect(blind.status).toBe(400);
  using back = await bench.keyManager.get(secret, testContext());
  expect(back.equals(secret.passphrase)).toBe(true);
});

test("others' secrets in the folder are not ours", async () => {
  await using bench = await vaultBench();
  using secret = await stored(bench.keyManager);
  const [folder = ""] = secret.id.split("-");
  const other = `${folder}-0000-4000-8000-000000000000`;
  for (const key of [
    `luksmith/${folder}/${other}`,
    `luksmith/${folder}/note`,
    "luksmith/zzz/x",
    "luksmith/top",
  ]) {
    bench.vault.engine.handle("POST", `data/${key}`, new URLSearchParams(), { data: { a: 1 } });
  }
  expect((await listed(bench.keyManager)).map(({ id }) => id)).toEqual([secret.id]);
  await refusal((ctx) => bench.keyManager.get({ id: other }, ctx), "KeyManagerUnavailable");
  await refusal((ctx) => bench.keyManager.get({ id: "../../x" }, ctx), "EphemeralEncryptionSecretNotFound");
  await bench.keyManager.delete({ id: "../../x" }, testContext());
});
