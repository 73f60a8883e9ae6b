import { GeneratedPassphrase, isLuksmithError } from "@luksmith/core";
import { expect } from "vitest";
import type { KeyManagerFixture } from "./key-manager-fixture.ts";
import type { KeyManagerRule } from "./key-manager-rule.ts";
import { contextOf, expectCode, expectStored, freshName, listed, store } from "./rule-steps.ts";
import { findSecret } from "./secret-search.ts";

type Hook = "alter" | "refuse" | "garble" | "stall";

const has = (hook: Hook) => (fixture: KeyManagerFixture) =>
  fixture[hook] === undefined ? `the fixture has no ${hook}` : undefined;

/** Fails unless `act` throws a Luksmith error that is neither "absent" nor a bug; returns it. */
async function expectTrouble(act: Promise<unknown>, what: string) {
  const error = await act.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!isLuksmithError(error)) {
    throw new Error(`${what} must fail with a Luksmith error, not with ${String(error)}`, { cause: error });
  }
  expect(error.category, `${what}: absent means that disks may be destroyed`).not.toBe("not-found");
  expect(error.category, `${what}: a service's answer is no bug of the host's`).not.toBe("internal");
  return error;
}

/** KM-23 to KM-26: whatever the service answers, nothing is taken for something else. */
export const ANSWER_RULES: readonly KeyManagerRule[] = [
  {
    id: "KM-23",
    title: "says SecretTampered for a secret that somebody has changed, and reads the others",
    needs: has("alter"),
    async check(fixture) {
      using changed = await store(fixture);
      using kept = await store(fixture);
      await fixture.alter?.(changed.id);
      const get = () => fixture.keyManager.get({ id: changed.id }, contextOf(fixture));
      const error = await expectCode(get, "SecretTampered");
      expect(error).toMatchObject({ category: "integrity" });
      expect(findSecret(changed.passphrase, error)).toEqual([]);
      await expectStored(fixture, kept);
    },
  },
  {
    id: "KM-24",
    title: "says that it was denied, never that a secret is not there, while the service refuses",
    needs: has("refuse"),
    async check(fixture) {
      const { keyManager } = fixture;
      using secret = await store(fixture);
      using passphrase = GeneratedPassphrase.create();
      const name = freshName();
      const { id } = secret;
      {
        using _refusing = fixture.refuse?.();
        const ctx = () => contextOf(fixture);
        const calls = {
          get: () => keyManager.get({ id }, ctx()),
          create: () => keyManager.create({ name, passphrase }, ctx()),
          delete: () => keyManager.delete({ id }, ctx()),
        };
        for (const [what, call] of Object.entries(calls)) {
          const error = await expectTrouble(call(), what);
          expect(error.category, `${what} was refused`).toBe("permission");
        }
      }
      await expectStored(fixture, secret);
      if (keyManager.list !== undefined) expect(await listed(fixture, name)).toEqual([]);
    },
  },
  {
    id: "KM-25",
    title: "takes no answer that it does not understand for a passphrase, for success or for absence",
    needs: has("garble"),
    async check(fixture) {
      const { keyManager } = fixture;
      using secret = await store(fixture);
      using passphrase = GeneratedPassphrase.create();
      const { id } = secret;
      {
        using _garbling = fixture.garble?.();
        const ctx = () => contextOf(fixture);
        await expectTrouble(keyManager.get({ id }, ctx()), "get");
        await expectTrouble(keyManager.create({ name: freshName(), passphrase }, ctx()), "create");
        if (keyManager.list !== undefined) await expectTrouble(listed(fixture, secret.name), "list");
      }
      await expectStored(fixture, secret);
    },
  },
  {
    id: "KM-26",
    title: "stops waiting for a service that does not answer as soon as the operation is cancelled",
    needs: has("stall"),
    async check(fixture) {
      const { keyManager } = fixture;
      using secret = await store(fixture);
      const { id } = secret;
      {
        using _stalled = fixture.stall?.();
        for (const act of ["get", "delete"] as const) {
          const control = new AbortController();
          const call = keyManager[act]({ id }, contextOf(fixture, { signal: control.signal }));
          call.catch(() => undefined);
          const soon = setTimeout(() => control.abort(new Error("the user went away")), 50);
          // What still waits then will never end by itself.
          const never = new Promise((resolve) => setTimeout(resolve, 10_000, "it still waits").unref());
          const outcome = await Promise.race([
            call.then(
              () => "it succeeded",
              (error: unknown) => error,
            ),
            never,
          ]);
          clearTimeout(soon);
          expect(outcome, `${act} was cancelled`).toMatchObject({ code: "Cancelled" });
        }
      }
      await expectStored(fixture, secret);
    },
  },
];
