import { describeRules, type SuiteOptions } from "../suite/describe-rules.ts";
import { BackendBench } from "./backend-bench.ts";
import type { MakeImageBackend } from "./image-backend-fixture.ts";
import { asked } from "./image-backend-rule.ts";
import { IMAGE_BACKEND_RULES } from "./image-backend-rules.ts";

/**
 * Proves that an image backend keeps the contract: one test per rule, each with storage and services of its own, and a
 * report at the end. A rule about something that the backend declares it cannot do is skipped.
 *
 * @example
 * describeImageBackend("acme", async (services) => {
 *   const storage = await startAcme();
 *   return { backend: acmeBackend(storage.url, () => services), ...acmeOracles(storage) };
 * });
 */
export function describeImageBackend(
  name: string,
  fixture: MakeImageBackend,
  options: SuiteOptions = {},
): void {
  const suite = {
    kind: "image-backend",
    subject: name,
    rules: IMAGE_BACKEND_RULES.map(asked),
    open: () => BackendBench.open(fixture),
    capabilities: (bench: BackendBench) => bench.fixture.backend.capabilities,
  } as const;
  describeRules(suite, options);
}
