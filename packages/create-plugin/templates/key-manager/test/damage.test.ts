import { appendFile, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GeneratedPassphrase, secretName } from "@luksmith/core";
import { testContext } from "@luksmith/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { AcmeKeyManager } from "../src/acme-key-manager.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "acme-"));
});
afterEach(() => rm(directory, { recursive: true }));

test("a secret that was altered is not given out", async () => {
  const keyManager = new AcmeKeyManager(directory);
  using passphrase = GeneratedPassphrase.create();
  const name = secretName(crypto.randomUUID(), crypto.randomUUID());
  const ref = await keyManager.create({ name, passphrase }, testContext());
  await appendFile(join(directory, ref.id), "x");
  await expect(keyManager.get(ref, testContext())).rejects.toMatchObject({ code: "SecretTampered" });
});

test("names of files lead nowhere else", async () => {
  const keyManager = new AcmeKeyManager(join(directory, "store"));
  const ref = { id: "../../etc/passwd" };
  const absent = { code: "EphemeralEncryptionSecretNotFound" };
  await expect(keyManager.get(ref, testContext())).rejects.toMatchObject(absent);
  await keyManager.delete(ref, testContext());
  expect(await readdir(directory)).toEqual([]);
});
