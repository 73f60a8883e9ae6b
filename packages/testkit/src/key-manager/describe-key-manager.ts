import { describe, expect, test } from "vitest";
import type { KeyManagerFixture } from "./key-manager-fixture.ts";
import { KEY_MANAGER_RULES } from "./key-manager-rules.ts";

/**
 * Proves that a key manager keeps the contract: one test per rule, each with a fixture of its own.
 *
 * @example
 * describeKeyManager("acme", async () => {
 *   const keyManager = new AcmeKeyManager(await startAcme());
 *   return { keyManager, capabilities: { list: true }, [Symbol.asyncDispose]: () => keyManager.close() };
 * });
 */
export function describeKeyManager(name: string, fixture: () => Promise<KeyManagerFixture>): void {
  describe(`key manager ${name}`, () => {
    for (const rule of KEY_MANAGER_RULES) {
      test(`${rule.id} ${rule.title}`, async ({ skip }) => {
        expect.hasAssertions();
        await using made = await fixture();
        const missing = rule.needs?.(made);
        if (missing !== undefined) skip(missing);
        await rule.check(made);
      });
    }
  });
}
