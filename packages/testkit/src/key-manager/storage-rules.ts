import { randomUUID } from "node:crypto";
import { expect } from "vitest";
import type { KeyManagerRule } from "./key-manager-rule.ts";
import { contextOf, expectAbsent, expectCode, expectStored, freshName, listed, store } from "./rule-steps.ts";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const CONCURRENT = 50;

/** KM-1 to KM-8: what goes in comes out, until it is deleted. */
export const STORAGE_RULES: readonly KeyManagerRule[] = [
  {
    id: "KM-1",
    title: "gives a passphrase back verbatim",
    async check(fixture) {
      using secret = await store(fixture);
      await expectStored(fixture, secret);
      await expectStored(fixture, secret);
    },
  },
  {
    id: "KM-2",
    title: "gives every secret a UUID of its own, also when the name repeats",
    async check(fixture) {
      using first = await store(fixture);
      using second = await store(fixture, first.name);
      expect(first.id).toMatch(UUID);
      expect(second.id).toMatch(UUID);
      expect(second.id).not.toBe(first.id);
      await expectStored(fixture, first);
      await expectStored(fixture, second);
    },
  },
  {
    id: "KM-3",
    title: "says EphemeralEncryptionSecretNotFound, naming the id, for what it does not have",
    async check(fixture) {
      const { keyManager } = fixture;
      const id = randomUUID();
      const error = await expectCode(
        () => keyManager.get({ id }, contextOf(fixture)),
        "EphemeralEncryptionSecretNotFound",
      );
      expect(error.message).toContain(id);
      expect(error).toMatchObject({ category: "not-found", retryable: false });
    },
  },
  {
    id: "KM-4",
    title: "deletes the secret it was told to and no other",
    async check(fixture) {
      const { keyManager } = fixture;
      using gone = await store(fixture);
      using kept = await store(fixture, gone.name);
      await keyManager.delete({ id: gone.id }, contextOf(fixture));
      await expectAbsent(fixture, gone.id);
      await expectStored(fixture, kept);
    },
  },
  {
    id: "KM-5",
    title: "takes deleting what is not there for success",
    async check(fixture) {
      const { keyManager } = fixture;
      using secret = await store(fixture);
      await keyManager.delete({ id: secret.id }, contextOf(fixture));
      await expect(keyManager.delete({ id: secret.id }, contextOf(fixture))).resolves.toBeUndefined();
      await expect(keyManager.delete({ id: randomUUID() }, contextOf(fixture))).resolves.toBeUndefined();
      await expectAbsent(fixture, secret.id);
    },
  },
  {
    id: "KM-6",
    title: "keeps secrets, and forgets deleted ones, across a restart",
    needs: ({ reopen }) => (reopen === undefined ? "the fixture has no reopen" : undefined),
    async check(fixture) {
      using kept = await store(fixture);
      using gone = await store(fixture);
      await fixture.keyManager.delete({ id: gone.id }, contextOf(fixture));
      const reopened = await fixture.reopen?.();
      if (reopened === undefined) throw new Error("reopen gave no key manager");
      const access = { ...fixture, keyManager: reopened };
      await expectStored(access, kept);
      await expectAbsent(access, gone.id);
      using later = await store(access);
      await expectStored(access, later);
    },
  },
  {
    id: "KM-7",
    title: `keeps ${CONCURRENT} secrets apart that are made at once`,
    async check(fixture) {
      const secrets = await Promise.all(Array.from({ length: CONCURRENT }, () => store(fixture)));
      try {
        expect(new Set(secrets.map(({ id }) => id)).size).toBe(CONCURRENT);
        await Promise.all(secrets.map((secret) => expectStored(fixture, secret)));
      } finally {
        for (const secret of secrets) secret[Symbol.dispose]();
      }
    },
  },
  {
    id: "KM-8",
    title: "does nothing once the operation is cancelled",
    async check(fixture) {
      const { keyManager } = fixture;
      using secret = await store(fixture);
      const reason = new Error("the user went away");
      const cancelled = contextOf(fixture, { signal: AbortSignal.abort(reason) });
      const name = freshName();
      const error = await expectCode(
        () => keyManager.create({ name, passphrase: secret.passphrase }, cancelled),
        "Cancelled",
      );
      expect(error.cause).toBe(reason);
      await expectCode(() => keyManager.get({ id: secret.id }, cancelled), "Cancelled");
      await expectCode(() => keyManager.delete({ id: secret.id }, cancelled), "Cancelled");
      await expectStored(fixture, secret);
      if (keyManager.list === undefined) return;
      await expect(listed(fixture, name)).resolves.toEqual([]);
      await expectCode(async () => {
        for await (const info of keyManager.list?.({ name: secret.name }, cancelled) ?? [])
          expect(info).toBeUndefined();
      }, "Cancelled");
    },
  },
];
