import { FaultProxy, faults } from "@luksmith/testing-services";
import { testContext } from "@luksmith/testkit";
import { beforeAll, describe, expect, test } from "vitest";
import { freshTrait, PlacementBench } from "./placement-bench.ts";

let bench: PlacementBench;
beforeAll(async () => void (bench = await PlacementBench.create()), 120_000);

describe("what is asked of Placement", () => {
  test("every request says the version: without it there are no traits", async () => {
    await using proxy = await FaultProxy.start(bench.os.urls.placement);
    const placement = { endpoint_override: proxy.url };
    using reporter = bench.reporter({ placement });
    using newcomer = bench.reporter({ placement, own: { resource_provider: `new-${bench.name}` } });
    using byId = bench.reporter({ placement, own: { resource_provider: bench.id } });
    const claim = { traits: [freshTrait()], owned: [] };

    await reporter.show(testContext());
    await newcomer.createProvider(testContext());
    await byId.report(claim, testContext());

    const kinds = proxy.requests.map(({ method, path }) => `${method} ${path.split("?")[0]}`);
    const traits = `/resource_providers/${bench.id}/traits`;
    expect(new Set(kinds)).toEqual(
      new Set([
        "GET /resource_providers",
        `GET /resource_providers/${bench.id}`,
        "POST /resource_providers",
        `GET ${traits}`,
        `PUT ${traits}`,
        "GET /traits",
        `PUT /traits/${claim.traits[0]}`,
      ]),
    );
    for (const { headerNames } of proxy.requests) expect(headerNames).toContain("openstack-api-version");
  });

  test("a 404 that Placement gives to whoever says no version is not taken for a missing provider", async () => {
    const token = await bench.os.issueToken("hostadmin");
    const url = `${bench.os.urls.placement}/resource_providers/${bench.id}/traits`;
    const bare = await fetch(url, { headers: { "x-auth-token": token, accept: "application/json" } });
    expect(bare.status).toBe(404);

    await using proxy = await FaultProxy.start(bench.os.urls.placement);
    const body = await bare.text();
    proxy.on(({ path }) => (path.endsWith("/traits") ? faults.status(404, body, {}) : undefined));
    using reporter = bench.reporter({ placement: { endpoint_override: proxy.url } });
    await expect(reporter.show(testContext())).rejects.toMatchObject({
      code: "ServiceRefused",
      details: { status: 404 },
      message: expect.stringContaining("OpenStack-API-Version"),
    });
  });

  test("a CUSTOM_ trait that is missing is made; one of os-traits cannot be, and then nothing changes", async () => {
    using reporter = bench.reporter();
    const custom = freshTrait();
    const change = await reporter.report({ traits: [custom], owned: [custom] }, testContext());
    expect(change.added).toEqual([custom]);

    const before = await bench.state();
    const claim = { traits: ["COMPUTE_NO_SUCH_TRAIT"], owned: ["COMPUTE_NO_SUCH_TRAIT"] } as const;
    await expect(reporter.report(claim, testContext())).rejects.toMatchObject({
      code: "TraitCreationFailed",
      details: { trait: "COMPUTE_NO_SUCH_TRAIT" },
    });
    expect(await bench.state()).toEqual(before);
  });
});

describe("the resource provider", () => {
  test("that Placement does not know is an error that says what to do", async () => {
    for (const own of [{ resource_provider: "nowhere" }, { resource_provider: crypto.randomUUID() }]) {
      using reporter = bench.reporter({ own });
      await expect(reporter.show(testContext())).rejects.toMatchObject({
        code: "ResourceProviderNotFound",
        message: expect.stringContaining("--create-provider"),
      });
    }
  });

  test("is made once, however many ask for it, and is then found", async () => {
    const own = { resource_provider: `made-${bench.name}` };
    const reporters = Array.from({ length: 5 }, () => bench.reporter({ own }));
    const made = await Promise.all(reporters.map((reporter) => reporter.createProvider(testContext())));
    expect(made.filter(Boolean)).toHaveLength(1);
    const shown = await reporters[0]?.show(testContext());
    expect(shown).toMatchObject({ provider: { name: own.resource_provider }, traits: [] });
    for (const reporter of reporters) reporter[Symbol.dispose]();
  });

  test("is made with the configured UUID, and with the host's name", async () => {
    const other = await PlacementBench.create();
    await other.call("DELETE", `/resource_providers/${other.id}`);
    using reporter = other.reporter({ own: { resource_provider: other.id } });
    expect(await reporter.createProvider(testContext())).toBe(true);
    expect((await reporter.show(testContext())).provider).toEqual({ id: other.id, name: other.name });
  });

  test("is made though the answer was lost", async () => {
    await using proxy = await FaultProxy.start(bench.os.urls.placement);
    proxy.next(faults.dropAfter(), ({ method }) => method === "POST");
    const own = { resource_provider: `lost-${bench.name}` };
    using reporter = bench.reporter({ placement: { endpoint_override: proxy.url }, own });
    expect(await reporter.createProvider(testContext())).toBe(true);
    expect(await reporter.createProvider(testContext())).toBe(false);
  });
});
