import { describe, expect, test } from "vitest";
import type { KeyManagerFixture } from "./key-manager-fixture.ts";
import { KEY_MANAGER_RULES } from "./key-manager-rules.ts";

/**
 * Proves that a key manager keeps the contract: one test per rule, each with a fixture of its own.
 *
 * @param options `timeoutMs` for each test, where the key manager's server is slow; vitest's own by default
 *
 * @example
 * describeKeyManager("acme", async () => {
 *   const keyManager = new AcmeKeyManager(await startAcme());
 *   return { keyManager, capabilities: { list: true }, [Symbol.asyncDispose]: () => keyManager.close() };
 * });
 */
export function describeKeyManager(
  name: string,
  fixture: () => Promise<KeyManagerFixture>,
  options: { readonly timeoutMs?: number } = {},
): void {
  const { timeoutMs } = options;
  const limit = timeoutMs === undefined ? {} : { timeout: timeoutMs };
  describe(`key manager ${name}`, () => {
    for (const rule of KEY_MANAGER_RULES) {
      test(`${rule.id} ${rule.title}`, limit, async ({ skip }) => {
        expect.hasAssertions();
        await using made = await fixture();
        const missing = rule.needs?.(made);
        if (missing !== undefined) skip(missing);
        await rule.check(made);
      });
    }
  });
}
