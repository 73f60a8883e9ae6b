import { describeRules, type SuiteOptions } from "../suite/describe-rules.ts";
import type { KeyManagerFixture } from "./key-manager-fixture.ts";
import { KEY_MANAGER_RULES } from "./key-manager-rules.ts";

/**
 * Proves that a key manager keeps the contract: one test per rule, each with a fixture of its own, and a report at the
 * end.
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
  options: SuiteOptions = {},
): void {
  const suite = {
    kind: "key-manager",
    subject: name,
    rules: KEY_MANAGER_RULES,
    open: fixture,
    capabilities: ({ capabilities }: KeyManagerFixture) => capabilities,
  } as const;
  describeRules(suite, options);
}
