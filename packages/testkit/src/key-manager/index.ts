export { describeKeyManager } from "./describe-key-manager.ts";
export { InMemoryKeyManager } from "./in-memory-key-manager.ts";
export type { KeyManagerCapabilities, KeyManagerFixture } from "./key-manager-fixture.ts";
export type { KeyManagerRule } from "./key-manager-rule.ts";
export { KEY_MANAGER_RULES } from "./key-manager-rules.ts";
export { findSecret } from "./secret-search.ts";
