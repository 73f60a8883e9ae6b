import { execFileSync } from "node:child_process";
import { chmod, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { GeneratedPassphrase } from "@luksmith/core";
import { findSecret, testContext } from "@luksmith/testkit";
import { describe, expect, test } from "vitest";
import { freshName, listed, refusal, stored } from "./steps.ts";
import { vaultBench } from "./vault-bench.ts";
import { VaultServer } from "./vault-server.ts";

describe("a token in a file", () => {
  test("is read again when it was refused", async () => {
    await using bench = await vaultBench();
    const token_file = await bench.file("hvs.first");
    bench.vault.policies.set("hvs.first", ["luksmith"]);
    const keyManager = bench.open({ token_file });
    using secret = await stored(keyManager);
    bench.vault.policies.delete("hvs.first");
    const ended = await refusal(
      (ctx) => keyManager.get(secret, ctx),
      "AuthenticationFailed",
      secret.passphrase,
    );
    expect(ended.message).toContain("token_file");
    bench.vault.policies.set("hvs.second", ["luksmith"]);
    await writeFile(token_file, "hvs.second\n");
    using back = await keyManager.get(secret, testContext());
    expect(back.equals(secret.passphrase)).toBe(true);
  });

  test("that may not is PermissionDenied, with its policies and the path, and leaves nothing", async () => {
    await using bench = await vaultBench();
    bench.vault.policies.set("hvs.poor", ["default", "reader"]);
    const keyManager = bench.open({ token_file: await bench.file("hvs.poor") });
    using passphrase = GeneratedPassphrase.create();
    const error = await refusal(
      (ctx) => keyManager.create({ name: freshName(), passphrase }, ctx),
      "PermissionDenied",
      passphrase,
    );
    expect(error.message).toMatch(/policies default, reader, POST secret\/metadata\/luksmith\//);
    expect(error).toMatchObject({ retryable: false, details: { maybeDone: false, status: 403 } });
    await refusal((ctx) => keyManager.delete({ id: crypto.randomUUID() }, ctx), "PermissionDenied");
    await refusal(() => listed(keyManager), "PermissionDenied");
    expect(bench.vault.engine.secrets.size).toBe(0);
  });

  test("is refused when others can read it, or when it is none", async () => {
    await using bench = await vaultBench();
    const open = await bench.file("root-token");
    await chmod(open, 0o644);
    const cases = [
      [open, "KeyStoreUnsafe"],
      [await bench.file("two words"), "AuthenticationFailed"],
      [await bench.file(""), "AuthenticationFailed"],
      [join(bench.folder, "none"), "IoError"],
    ] as const;
    for (const [token_file, code] of cases) {
      await refusal((ctx) => bench.open({ token_file }).get({ id: crypto.randomUUID() }, ctx), code);
    }
    expect(bench.vault.seen).toEqual([]);
  });
});

describe("AppRole", () => {
  test("logs in once for many, and again when the token has ended", async () => {
    await using bench = await vaultBench();
    bench.vault.roles.set("hosts", "s3cret-id");
    const secret_id_file = await bench.file("s3cret-id\n");
    const keyManager = bench.open({ token_file: undefined, role_id: "hosts", secret_id_file });
    const secrets = await Promise.all(Array.from({ length: 10 }, () => stored(keyManager)));
    const logins = () => bench.vault.seen.filter(({ url }) => url.endsWith("/login")).length;
    expect(logins()).toBe(1);
    bench.vault.policies.delete("hvs.role-1");
    for (const secret of secrets) {
      using back = await keyManager.get(secret, testContext());
      expect(back.equals(secret.passphrase)).toBe(true);
      secret[Symbol.dispose]();
    }
    expect(logins()).toBe(2);
    expect(findText("s3cret-id", [keyManager, bench.vault.seen])).toBe(false);
  });

  test("asks for a new token before the old one ends", async () => {
    await using bench = await vaultBench({ leaseSeconds: 0.001 });
    bench.vault.roles.set("hosts", "id");
    const secret_id_file = await bench.file("id");
    const keyManager = bench.open({ token_file: undefined, role_id: "hosts", secret_id_file });
    await listed(keyManager);
    await new Promise((resolve) => setTimeout(resolve, 5));
    await listed(keyManager);
    expect(bench.vault.seen.filter(({ url }) => url.endsWith("/login")).length).toBe(2);
  });

  test("that is refused says which file", async () => {
    await using bench = await vaultBench();
    const secret_id_file = await bench.file("wrong");
    const keyManager = bench.open({ token_file: undefined, role_id: "hosts", secret_id_file });
    const error = await refusal(() => listed(keyManager), "AuthenticationFailed");
    expect(error.message).toContain(secret_id_file);
    expect(error.message).not.toContain("wrong");
  });
});

describe("what is sent", () => {
  test("has no passphrase in a URL or header, and the namespace in each", async () => {
    await using bench = await vaultBench({ namespace: "team/hosts", mount: "kv/disks" });
    const keyManager = bench.open({ namespace: "team/hosts", mount: "kv/disks", prefix: "host-7" });
    using secret = await stored(keyManager);
    using back = await keyManager.get(secret, testContext());
    expect(back.equals(secret.passphrase)).toBe(true);
    expect(await listed(keyManager)).toHaveLength(1);
    await keyManager.delete(secret, testContext());
    expect(bench.vault.seen.length).toBeGreaterThan(5);
    expect(findSecret(secret.passphrase, bench.vault.seen)).toEqual([]);
    for (const { url, headers } of bench.vault.seen) {
      expect(headers["x-vault-namespace"]).toBe("team/hosts");
      expect(url).toMatch(/^\/v1\/kv\/disks\/(?:data|metadata)\/host-7\//);
      expect(url).not.toContain("Ephemeral");
    }
    await refusal(() => listed(bench.open({ mount: "kv/disks" })), "AuthenticationFailed");
  });

  test("follows a standby to the active node, once, and to the same path", async () => {
    await using bench = await vaultBench();
    await using standby = await VaultServer.start();
    using secret = await stored(bench.keyManager);
    const to = (location: string) => ({ status: 307, body: "", headers: { location } });
    const keyManager = bench.open({ url: standby.url });
    const path = `/v1/secret/data/luksmith/${secret.id.slice(0, 8)}/${secret.id}?version=1`;
    {
      using _away = standby.fail(to(`${bench.vault.url}${path}`));
      using back = await keyManager.get(secret, testContext());
      expect(back.equals(secret.passphrase)).toBe(true);
    }
    for (const location of [`${bench.vault.url}/v1/other`, "ftp://x/", `${standby.url}${path}`, ":"]) {
      using _away = standby.fail(to(location));
      const error = await refusal(
        (ctx) => keyManager.get(secret, ctx),
        "KeyManagerUnavailable",
        secret.passphrase,
      );
      expect(error.details["reason"]).toBe("protocol");
    }
  });
});

describe("TLS", () => {
  test("takes the authority of ca_file, and no other", async () => {
    await using files = await vaultBench();
    const [key, cert] = [join(files.folder, "key.pem"), join(files.folder, "cert.pem")];
    const subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"];
    const fresh = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    execFileSync("openssl", [...fresh, "-keyout", key, "-out", cert, ...subject], { stdio: "ignore" });
    const tls = { key: await readFile(key, "utf8"), cert: await readFile(cert, "utf8") };
    await using bench = await vaultBench({ tls });
    using secret = await stored(bench.open({ ca_file: cert }));
    const error = await refusal((ctx) => bench.keyManager.get(secret, ctx), "KeyManagerUnavailable");
    expect(error.message).toMatch(/self-signed certificate/);
    expect(bench.vault.seen.some(({ method }) => method === "GET")).toBe(false);
    // Never from https to http, whoever says so.
    const keyManager = bench.open({ ca_file: cert });
    const path = `/v1/secret/data/luksmith/${secret.id.slice(0, 8)}/${secret.id}?version=1`;
    const location = `${files.vault.url}${path}`;
    using _away = bench.vault.fail({ status: 307, body: "", headers: { location } });
    await refusal((ctx) => keyManager.get(secret, ctx), "KeyManagerUnavailable");
    expect(files.vault.seen).toEqual([]);
  });
});

function findText(text: string, evidence: unknown): boolean {
  return JSON.stringify(evidence).includes(text);
}
