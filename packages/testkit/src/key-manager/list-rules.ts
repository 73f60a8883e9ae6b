import { isLuksmithError } from "@luksmith/core";
import { expect } from "vitest";
import type { KeyManagerAccess, KeyManagerFixture } from "./key-manager-fixture.ts";
import type { KeyManagerRule } from "./key-manager-rule.ts";
import { contextOf, freshName, listed, store, type StoredSecret } from "./rule-steps.ts";

/** A server's clock may differ from ours. */
const CLOCK_SKEW_MS = 5 * 60_000;

const needsList = ({ capabilities }: KeyManagerFixture) =>
  capabilities.list ? undefined : "the key manager has no list";

/** KM-9 to KM-12: recovery finds a secret whose id it never learned. */
export const LIST_RULES: readonly KeyManagerRule[] = [
  {
    id: "KM-9",
    title: "has list exactly if it declares so",
    async check({ keyManager, capabilities }) {
      expect(typeof keyManager.list).toBe(capabilities.list ? "function" : "undefined");
    },
  },
  {
    id: "KM-10",
    title: "lists by exact name only",
    needs: needsList,
    async check(fixture) {
      const name = `${freshName()} A_b%`;
      const others = [
        `${name} `,
        ` ${name}`,
        `${name}x`,
        name.slice(0, -1),
        name.toUpperCase(),
        name.replace("_", "-"),
        "%",
      ];
      await withSecrets(fixture, [name, name], async ([first, second]) => {
        for (const other of others) await storeUnlessRefused(fixture, other);
        const ids = (await listed(fixture, name)).map(({ id }) => id);
        expect(ids).toHaveLength(2);
        expect(new Set(ids)).toEqual(new Set([first?.id, second?.id]));
        await expect(listed(fixture, freshName())).resolves.toEqual([]);
      });
    },
  },
  {
    id: "KM-11",
    title: "lists id, name and time of creation of every secret once",
    needs: needsList,
    async check(fixture) {
      const names = Array.from({ length: 12 }, () => freshName());
      const before = Date.now() - CLOCK_SKEW_MS;
      await withSecrets(fixture, names, async (secrets) => {
        const after = Date.now() + CLOCK_SKEW_MS;
        const all = await listed(fixture);
        for (const { id, name } of secrets) {
          const found = all.filter((info) => info.id === id);
          expect(found).toMatchObject([{ id, name, createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT/) }]);
          const createdAt = Date.parse(found[0]?.createdAt ?? "");
          expect(createdAt).toBeGreaterThan(before);
          expect(createdAt).toBeLessThan(after);
        }
      });
    },
  },
  {
    id: "KM-12",
    title: "no longer lists what was deleted",
    needs: needsList,
    async check(fixture) {
      const { keyManager } = fixture;
      const name = freshName();
      await withSecrets(fixture, [name, name], async ([gone, kept]) => {
        await keyManager.delete({ id: gone?.id ?? "" }, contextOf(fixture));
        expect((await listed(fixture, name)).map(({ id }) => id)).toEqual([kept?.id]);
      });
    },
  },
];

/** A name that the key manager cannot keep as it is must be refused; then nothing of it can be listed. */
async function storeUnlessRefused(access: KeyManagerAccess, name: string): Promise<void> {
  try {
    (await store(access, name))[Symbol.dispose]();
  } catch (error) {
    if (!isLuksmithError(error) || error.code !== "InvalidRequest") throw error;
  }
}

async function withSecrets(
  access: KeyManagerAccess,
  names: readonly string[],
  check: (secrets: readonly StoredSecret[]) => Promise<void>,
): Promise<void> {
  const secrets: StoredSecret[] = [];
  try {
    for (const name of names) secrets.push(await store(access, name));
    await check(secrets);
  } finally {
    for (const secret of secrets) secret[Symbol.dispose]();
  }
}
