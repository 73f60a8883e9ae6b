import { GeneratedPassphrase } from "@luksmith/core";
import { expect } from "vitest";
import type { KeyManagerRule } from "./key-manager-rule.ts";
import { contextOf, expectCode, expectStored, freshName, listed, store } from "./rule-steps.ts";

/** KM-21 and KM-22: a service that fails loses no secret and leaves none over. */
export const OUTAGE_RULES: readonly KeyManagerRule[] = [
  {
    id: "KM-21",
    title: "makes one secret, also when the answer is lost",
    needs: ({ loseAnswer, capabilities }) =>
      loseAnswer && capabilities.list
        ? undefined
        : "the fixture has no loseAnswer, or the key manager no list",
    async check(fixture) {
      const name = freshName();
      fixture.loseAnswer?.();
      using secret = await store(fixture, name);
      expect((await listed(fixture, name)).map(({ id }) => id)).toEqual([secret.id]);
      await expectStored(fixture, secret);
    },
  },
  {
    id: "KM-22",
    title: "says KeyManagerUnavailable while it is away, and neither loses nor leaves anything",
    needs: ({ unplug }) => (unplug === undefined ? "the fixture has no unplug" : undefined),
    async check(fixture) {
      const { keyManager } = fixture;
      using secret = await store(fixture);
      using passphrase = GeneratedPassphrase.create();
      const name = freshName();
      const { id } = secret;
      const ctx = () => contextOf(fixture);
      {
        using _outage = fixture.unplug?.();
        const error = await expectCode(() => keyManager.get({ id }, ctx()), "KeyManagerUnavailable");
        expect(error).toMatchObject({ category: "unavailable", retryable: true });
        await expectCode(() => keyManager.create({ name, passphrase }, ctx()), "KeyManagerUnavailable");
        await expectCode(() => keyManager.delete({ id }, ctx()), "KeyManagerUnavailable");
        if (keyManager.list !== undefined) {
          await expectCode(() => listed(fixture, secret.name), "KeyManagerUnavailable");
        }
      }
      await expectStored(fixture, secret);
      if (keyManager.list !== undefined) expect(await listed(fixture, name)).toEqual([]);
    },
  },
];
