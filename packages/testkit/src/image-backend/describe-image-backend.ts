import { describe, expect, test } from "vitest";
import { BackendBench } from "./backend-bench.ts";
import type { MakeImageBackend } from "./image-backend-fixture.ts";
import { IMAGE_BACKEND_RULES } from "./image-backend-rules.ts";

/**
 * Proves that an image backend keeps the contract: one test per rule, each with storage and services of its own.
 * A rule about something that the backend declares it cannot do is skipped.
 *
 * @example
 * describeImageBackend("acme", async (services) => {
 *   const storage = await startAcme();
 *   return { backend: acmeBackend(storage.url, () => services), ...acmeOracles(storage) };
 * });
 */
export function describeImageBackend(name: string, fixture: MakeImageBackend): void {
  describe(`image backend ${name}`, () => {
    for (const rule of IMAGE_BACKEND_RULES) {
      test(`${rule.id} ${rule.title}`, async ({ skip }) => {
        await using bench = await BackendBench.open(fixture);
        const { capabilities } = bench.fixture.backend;
        expect(capabilities.formats.length, "a backend declares the formats it stores").toBeGreaterThan(0);
        if (rule.when?.(capabilities) === false) skip("the backend declares that it cannot do this");
        await rule.check(bench);
      });
    }
  });
}
