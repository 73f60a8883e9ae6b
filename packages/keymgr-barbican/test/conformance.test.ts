import { describeKeyManager, type KeyManagerFixture, testContext } from "@luksmith/testkit";
import { type Fault, faults, sharedOpenStack } from "@luksmith/testing-services";
import { beforeAll } from "vitest";
import { barbicanBench, type Service } from "./barbican-bench.ts";

const POLICIES: readonly (readonly [Service, string])[] = [
  ["barbican", "the older policy"],
  ["barbican-new", "the newer policy"],
];

// The first to ask starts the services.
beforeAll(async () => void (await sharedOpenStack()), 180_000);

for (const [service, policy] of POLICIES) {
  describeKeyManager(`barbican with ${policy}`, () => fixture(service), { timeoutMs: 180_000 });
}

async function fixture(service: Service): Promise<KeyManagerFixture> {
  const bench = await barbicanBench({ service });
  const [alice, mallory] = [await bench.token("alice"), await bench.token("mallory")];
  const during = (fault: Fault): Disposable => ({ [Symbol.dispose]: bench.proxy.on(() => fault) });
  return {
    keyManager: bench.keyManager,
    capabilities: { list: true, users: true },
    context: (overrides) => testContext({ userToken: alice, ...overrides }),
    stranger: () => testContext({ userToken: mallory }),
    reopen: async () => {
      await bench.keyManager.close();
      return await bench.open();
    },
    loseAnswer: () => void bench.proxy.next(faults.dropAfter(), ({ method }) => method === "POST"),
    unplug: () => during(faults.dropBefore()),
    refuse: () =>
      during(faults.status(403, '{"code": 403, "title": "Forbidden", "description": "not allowed"}')),
    garble: () => during(faults.garbage("<html>Please log in</html>")),
    stall: () => during(faults.hang()),
    [Symbol.asyncDispose]: () => bench[Symbol.asyncDispose](),
  };
}
