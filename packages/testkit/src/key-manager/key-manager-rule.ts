import type { Rule } from "../suite/rule.ts";
import type { KeyManagerFixture } from "./key-manager-fixture.ts";

/** One sentence of the contract. */
export type KeyManagerRule = Rule<KeyManagerFixture>;
