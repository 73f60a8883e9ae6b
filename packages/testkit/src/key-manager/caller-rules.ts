import { GeneratedPassphrase } from "@luksmith/core";
import { expect } from "vitest";
import { testContext } from "../test-context.ts";
import type { KeyManagerFixture } from "./key-manager-fixture.ts";
import type { KeyManagerRule } from "./key-manager-rule.ts";
import { contextOf, expectCode, expectStored, freshName, listed, store } from "./rule-steps.ts";

const needsUsers = ({ capabilities }: KeyManagerFixture) =>
  capabilities.users ? undefined : "the key manager is the same for all";

const needsStranger = (fixture: KeyManagerFixture) =>
  needsUsers(fixture) ?? (fixture.stranger ? undefined : "the fixture has no stranger");

/** KM-18 to KM-20: a key manager that acts for users keeps them apart. */
export const CALLER_RULES: readonly KeyManagerRule[] = [
  {
    id: "KM-18",
    title: "says whose secrets it means, if that depends on who asks",
    async check(fixture) {
      const { capabilities, keyManager, stranger } = fixture;
      const own = await keyManager.scope?.(contextOf(fixture));
      expect(own !== undefined, "it has a scope exactly if it declares users").toBe(
        capabilities.users ?? false,
      );
      if (own === undefined) return;
      expect(await keyManager.scope?.(contextOf(fixture))).toBe(own);
      if (stranger !== undefined) expect(await keyManager.scope?.(stranger())).not.toBe(own);
    },
  },
  {
    id: "KM-19",
    title: "says TokenMissing when nobody known asks",
    needs: needsUsers,
    async check(fixture) {
      const { keyManager } = fixture;
      using secret = await store(fixture);
      const { id, name, passphrase } = secret;
      const nobody = testContext();
      await expectCode(() => keyManager.create({ name: freshName(), passphrase }, nobody), "TokenMissing");
      await expectCode(() => keyManager.get({ id }, nobody), "TokenMissing");
      await expectCode(() => keyManager.delete({ id }, nobody), "TokenMissing");
      await expectCode(() => listed(fixture, name, nobody), "TokenMissing");
      await expectCode(async () => keyManager.scope?.(nobody), "TokenMissing");
      await expectStored(fixture, secret);
    },
  },
  {
    id: "KM-20",
    title: "tells strangers that they may not, never that it is not there",
    needs: needsStranger,
    async check(fixture) {
      const { keyManager } = fixture;
      const stranger = () => fixture.stranger?.() ?? testContext();
      using secret = await store(fixture);
      const { id, name } = secret;
      const denied = await expectCode(() => keyManager.get({ id }, stranger()), "PermissionDenied");
      expect(denied).toMatchObject({ category: "permission", retryable: false });
      await expectCode(() => keyManager.delete({ id }, stranger()), "PermissionDenied");
      expect(await listed(fixture, name, stranger())).toEqual([]);
      await expectStored(fixture, secret);
      using passphrase = GeneratedPassphrase.create();
      const theirs = await keyManager.create({ name, passphrase }, stranger());
      const ids = fixture.capabilities.list ? [id] : [];
      expect((await listed(fixture, name)).map((info) => info.id)).toEqual(ids);
      await keyManager.delete(theirs, stranger());
    },
  },
];
