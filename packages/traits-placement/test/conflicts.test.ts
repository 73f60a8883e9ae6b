import { ENCRYPTION_TRAITS } from "@luksmith/core";
import { FaultProxy, faults } from "@luksmith/testing-services";
import { testContext } from "@luksmith/testkit";
import { beforeEach, expect, test } from "vitest";
import { freshTrait, PlacementBench } from "./placement-bench.ts";

const CLAIM = { traits: ENCRYPTION_TRAITS, owned: ENCRYPTION_TRAITS };
const CONFLICT = faults.status(409, '{"errors":[{"code":"placement.concurrent_update","detail":"later"}]}');

let bench: PlacementBench;
beforeEach(async () => void (bench = await PlacementBench.create()), 120_000);

test("what others write between reading and writing is read again and kept", async () => {
  await using proxy = await FaultProxy.start(bench.os.urls.placement);
  const others: Promise<void>[] = [];
  const traits = [freshTrait(), freshTrait(), "HW_CPU_X86_VMX"] as const;
  // Each write of ours is held back until somebody else has written.
  proxy.on(({ method, path, earlier }) => {
    const trait = traits[earlier];
    if (method !== "PUT" || !path.startsWith("/resource_providers") || !trait) return;
    others.push(bench.addForeign(trait));
    return CONFLICT;
  });
  using reporter = bench.reporter({ placement: { endpoint_override: proxy.url } });
  const change = await reporter.report(CLAIM, testContext());
  await Promise.all(others);
  expect(change.added).toEqual(ENCRYPTION_TRAITS);
  expect([...(await bench.current())].sort()).toEqual([...ENCRYPTION_TRAITS, ...traits].sort());
  expect(proxy.count("PUT")).toBe(4);
});

test("conflicts without end end at the time-out, with nothing changed", async () => {
  await using proxy = await FaultProxy.start(bench.os.urls.placement);
  proxy.on(({ method }) => (method === "PUT" ? CONFLICT : undefined));
  using reporter = bench.reporter({
    placement: { endpoint_override: proxy.url },
    own: { timeout: "1" },
  });
  await expect(reporter.report(CLAIM, testContext())).rejects.toMatchObject({
    code: "ResourceProviderUpdateConflict",
    retryable: true,
    details: { name: bench.name, status: 409 },
  });
  expect(await bench.current()).toEqual([]);
});
