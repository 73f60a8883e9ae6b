import { describeTraitReporter } from "@luksmith/testkit";
import { FaultProxy, faults, sharedOpenStack } from "@luksmith/testing-services";
import { beforeAll } from "vitest";
import { freshTrait, PlacementBench } from "./placement-bench.ts";

// The first to ask starts the services, which takes longer than a test may.
beforeAll(() => sharedOpenStack(), 120_000);

describeTraitReporter("placement", async () => {
  const bench = await PlacementBench.create();
  const proxy = await FaultProxy.start(bench.os.urls.placement);
  const reporter = bench.reporter({ placement: { endpoint_override: proxy.url } });
  return {
    reporter,
    traits: ["COMPUTE_EPHEMERAL_ENCRYPTION", "COMPUTE_EPHEMERAL_ENCRYPTION_LUKS"],
    foreign: ["HW_CPU_X86_VMX", ...Array.from({ length: 11 }, freshTrait)],
    current: () => bench.current(),
    addForeign: (trait) => bench.addForeign(trait),
    writes: async () => proxy.count("PUT"),
    outage: async () => {
      const remove = proxy.on(() => faults.dropBefore());
      return { [Symbol.asyncDispose]: async () => remove() };
    },
    [Symbol.asyncDispose]: async () => {
      reporter[Symbol.dispose]();
      await proxy[Symbol.asyncDispose]();
    },
  };
});
