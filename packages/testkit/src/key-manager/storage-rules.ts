import { randomUUID } from "node:crypto";
import { expect } from "vitest";
import { testContext } from "../test-context.ts";
import type { KeyManagerRule } from "./key-manager-rule.ts";
import { expectAbsent, expectCode, expectStored, freshName, listed, store } from "./rule-steps.ts";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const CONCURRENT = 50;

/** KM-1 to KM-8: what goes in comes out, until it is deleted. */
export const STORAGE_RULES: readonly KeyManagerRule[] = [
  {
    id: "KM-1",
    title: "gives a passphrase back verbatim",
    async check({ keyManager }) {
      using secret = await store(keyManager);
      await expectStored(keyManager, secret);
      await expectStored(keyManager, secret);
    },
  },
  {
    id: "KM-2",
    title: "gives every secret a UUID of its own, also when the name repeats",
    async check({ keyManager }) {
      using first = await store(keyManager);
      using second = await store(keyManager, first.name);
      expect(first.id).toMatch(UUID);
      expect(second.id).toMatch(UUID);
      expect(second.id).not.toBe(first.id);
      await expectStored(keyManager, first);
      await expectStored(keyManager, second);
    },
  },
  {
    id: "KM-3",
    title: "says EphemeralEncryptionSecretNotFound, naming the id, for what it does not have",
    async check({ keyManager }) {
      const id = randomUUID();
      const error = await expectCode(
        () => keyManager.get({ id }, testContext()),
        "EphemeralEncryptionSecretNotFound",
      );
      expect(error.message).toContain(id);
      expect(error).toMatchObject({ category: "not-found", retryable: false });
    },
  },
  {
    id: "KM-4",
    title: "deletes the secret it was told to and no other",
    async check({ keyManager }) {
      using gone = await store(keyManager);
      using kept = await store(keyManager, gone.name);
      await keyManager.delete({ id: gone.id }, testContext());
      await expectAbsent(keyManager, gone.id);
      await expectStored(keyManager, kept);
    },
  },
  {
    id: "KM-5",
    title: "takes deleting what is not there for success",
    async check({ keyManager }) {
      using secret = await store(keyManager);
      await keyManager.delete({ id: secret.id }, testContext());
      await expect(keyManager.delete({ id: secret.id }, testContext())).resolves.toBeUndefined();
      await expect(keyManager.delete({ id: randomUUID() }, testContext())).resolves.toBeUndefined();
      await expectAbsent(keyManager, secret.id);
    },
  },
  {
    id: "KM-6",
    title: "keeps secrets, and forgets deleted ones, across a restart",
    needs: ({ reopen }) => (reopen === undefined ? "the fixture has no reopen" : undefined),
    async check(fixture) {
      using kept = await store(fixture.keyManager);
      using gone = await store(fixture.keyManager);
      await fixture.keyManager.delete({ id: gone.id }, testContext());
      const reopened = await fixture.reopen?.();
      if (reopened === undefined) throw new Error("reopen gave no key manager");
      await expectStored(reopened, kept);
      await expectAbsent(reopened, gone.id);
      using later = await store(reopened);
      await expectStored(reopened, later);
    },
  },
  {
    id: "KM-7",
    title: `keeps ${CONCURRENT} secrets apart that are made at once`,
    async check({ keyManager }) {
      const secrets = await Promise.all(Array.from({ length: CONCURRENT }, () => store(keyManager)));
      try {
        expect(new Set(secrets.map(({ id }) => id)).size).toBe(CONCURRENT);
        await Promise.all(secrets.map((secret) => expectStored(keyManager, secret)));
      } finally {
        for (const secret of secrets) secret[Symbol.dispose]();
      }
    },
  },
  {
    id: "KM-8",
    title: "does nothing once the operation is cancelled",
    async check({ keyManager }) {
      using secret = await store(keyManager);
      const reason = new Error("the user went away");
      const cancelled = testContext({ signal: AbortSignal.abort(reason) });
      const name = freshName();
      const error = await expectCode(
        () => keyManager.create({ name, passphrase: secret.passphrase }, cancelled),
        "Cancelled",
      );
      expect(error.cause).toBe(reason);
      await expectCode(() => keyManager.get({ id: secret.id }, cancelled), "Cancelled");
      await expectCode(() => keyManager.delete({ id: secret.id }, cancelled), "Cancelled");
      await expectStored(keyManager, secret);
      if (keyManager.list === undefined) return;
      await expect(listed(keyManager, name)).resolves.toEqual([]);
      await expectCode(async () => {
        for await (const info of keyManager.list?.({ name: secret.name }, cancelled) ?? [])
          expect(info).toBeUndefined();
      }, "Cancelled");
    },
  },
];
