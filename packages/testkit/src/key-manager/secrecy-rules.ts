import { randomUUID } from "node:crypto";
import { GeneratedPassphrase } from "@luksmith/core";
import { expect } from "vitest";
import type { KeyManagerRule } from "./key-manager-rule.ts";
import { contextOf, expectCode, expectStored, freshName, listed, store } from "./rule-steps.ts";
import { findSecret } from "./secret-search.ts";

/** KM-13 to KM-17: the passphrase is where it must be and nowhere else. */
export const SECRECY_RULES: readonly KeyManagerRule[] = [
  {
    id: "KM-13",
    title: "leaves the caller's passphrase alone",
    async check(fixture) {
      const { keyManager } = fixture;
      using passphrase = GeneratedPassphrase.create();
      const before = passphrase.use((bytes) => Uint8Array.from(bytes));
      const { id } = await keyManager.create({ name: freshName(), passphrase }, contextOf(fixture));
      await keyManager.delete({ id }, contextOf(fixture));
      const same = passphrase.use((bytes) => Buffer.compare(bytes, before) === 0);
      before.fill(0);
      expect(same, "the caller's passphrase is as it was").toBe(true);
    },
  },
  {
    id: "KM-14",
    title: "gives each caller a passphrase of its own to dispose",
    async check(fixture) {
      const { keyManager } = fixture;
      using secret = await store(fixture);
      const first = await keyManager.get({ id: secret.id }, contextOf(fixture));
      using second = await keyManager.get({ id: secret.id }, contextOf(fixture));
      expect(second).not.toBe(first);
      first[Symbol.dispose]();
      expect(second.equals(secret.passphrase), "the second is not wiped with the first").toBe(true);
      await expectStored(fixture, secret);
    },
  },
  {
    id: "KM-15",
    title: "logs no passphrase",
    async check(fixture) {
      const { keyManager } = fixture;
      using passphrase = GeneratedPassphrase.create();
      const ctx = contextOf(fixture);
      const ref = await keyManager.create({ name: freshName(), passphrase }, ctx);
      using got = await keyManager.get(ref, ctx);
      await keyManager.delete(ref, ctx);
      expect(got.length).toBe(passphrase.length);
      expect(findSecret(passphrase, ctx.logged)).toEqual([]);
    },
  },
  {
    id: "KM-16",
    title: "has no passphrase in references, listings, errors or in itself",
    async check(fixture) {
      const { keyManager } = fixture;
      using passphrase = GeneratedPassphrase.create();
      const name = freshName();
      const ref = await keyManager.create({ name, passphrase }, contextOf(fixture));
      const cancelled = contextOf(fixture, { signal: AbortSignal.abort(new Error("stop")) });
      const refused = await expectCode(() => keyManager.create({ name, passphrase }, cancelled), "Cancelled");
      const missing = await expectCode(
        () => keyManager.get({ id: randomUUID() }, contextOf(fixture)),
        "EphemeralEncryptionSecretNotFound",
      );
      const evidence = [ref, await listed(fixture, name), refused, missing, keyManager];
      expect(findSecret(passphrase, evidence)).toEqual([]);
    },
  },
  {
    id: "KM-17",
    title: "keeps no passphrase in plain where it stores it",
    needs: ({ rawStorage }) => (rawStorage === undefined ? "the fixture has no rawStorage" : undefined),
    async check(fixture) {
      const { keyManager } = fixture;
      using kept = await store(fixture);
      using gone = await store(fixture);
      await keyManager.delete({ id: gone.id }, contextOf(fixture));
      const storage = (await fixture.rawStorage?.()) ?? [];
      const bytes = storage.reduce((total, part) => total + part.length, 0);
      expect(bytes, "the fixture shows the bytes that are stored").toBeGreaterThan(0);
      expect(findSecret(kept.passphrase, storage)).toEqual([]);
      expect(findSecret(gone.passphrase, storage)).toEqual([]);
    },
  },
];
