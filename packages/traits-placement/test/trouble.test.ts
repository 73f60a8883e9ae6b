import { inspect } from "node:util";
import { ENCRYPTION_TRAITS, isLuksmithError } from "@luksmith/core";
import { type Fault, FaultProxy, faults } from "@luksmith/testing-services";
import { testContext } from "@luksmith/testkit";
import { beforeEach, describe, expect, test } from "vitest";
import { PlacementBench } from "./placement-bench.ts";

const CLAIM = { traits: ENCRYPTION_TRAITS, owned: ENCRYPTION_TRAITS };

let bench: PlacementBench;
beforeEach(async () => void (bench = await PlacementBench.create()), 120_000);

async function errorOf(act: Promise<unknown>) {
  const error = await act.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!isLuksmithError(error)) throw new Error(`no Luksmith error: ${String(error)}`, { cause: error });
  expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(bench.os.user("hostadmin").password);
  return error;
}

/** Placement behind a proxy that always does this to requests for traits. */
async function behind(fault: Fault) {
  const proxy = await FaultProxy.start(bench.os.urls.placement);
  proxy.on(({ path }) => (path.includes("/traits") ? fault : undefined));
  const reporter = bench.reporter({ placement: { endpoint_override: proxy.url } });
  return {
    reporter,
    proxy,
    [Symbol.asyncDispose]: async () => {
      reporter[Symbol.dispose]();
      await proxy[Symbol.asyncDispose]();
    },
  };
}

describe("Placement that does not do what it should", () => {
  test.each([
    ["answers 500", faults.status(500, "{}"), "PlacementUnavailable", 500],
    ["is behind a balancer that answers 502", faults.badGateway(), "PlacementUnavailable", 502],
    ["answers 503", faults.status(503), "PlacementUnavailable", 503],
    ["drops connections", faults.dropBefore(), "PlacementUnavailable", undefined],
    ["answers HTML", faults.status(200, "<html>Welcome</html>"), "ServiceRefused", 200],
    ["answers half a document", faults.garbage('{"traits": ['), "ServiceRefused", 200],
    ["answers another document", faults.garbage('{"traits": 1}'), "ServiceRefused", 200],
    ["answers 404 in HTML", faults.status(404, "<html>no</html>"), "ServiceRefused", 404],
    ["answers 406 to the version", faults.status(406, "{}"), "ServiceRefused", 406],
  ] as const)("%s", async (_how, fault, code, status) => {
    await using trouble = await behind(fault);
    const error = await errorOf(trouble.reporter.report(CLAIM, testContext()));
    expect(error.code).toBe(code);
    expect(error.message).toContain(`traits of ${bench.name}`);
    expect(error.details["status"]).toBe(status);
    expect(error.retryable).toBe(true);
    expect(await bench.current()).toEqual([]);
  });

  test("hangs", async () => {
    await using proxy = await FaultProxy.start(bench.os.urls.placement);
    proxy.on(() => faults.hang());
    using reporter = bench.otherReporter(60_000, { url: proxy.url, httpTimeoutMs: 100 });
    const error = await errorOf(reporter.report(CLAIM, testContext()));
    expect(error).toMatchObject({ code: "PlacementUnavailable", details: { kind: "timeout", attempts: 3 } });
  });

  test("is not there at all", async () => {
    using reporter = bench.reporter({ placement: { endpoint_override: "http://127.0.0.1:1" } });
    expect(await errorOf(reporter.report(CLAIM, testContext()))).toMatchObject({
      code: "PlacementUnavailable",
      retryable: true,
    });
  });

  test("is cancelled while it hangs", async () => {
    await using trouble = await behind(faults.hang());
    const stop = new AbortController();
    const report = trouble.reporter.report(CLAIM, testContext({ signal: stop.signal }));
    await trouble.proxy.saw(({ path }) => path.includes("/traits"));
    stop.abort(new Error("enough"));
    expect((await errorOf(report)).code).toBe("Cancelled");
  });

  test("loses the answer to a write that it did: the traits are there, and the report succeeds", async () => {
    await using proxy = await FaultProxy.start(bench.os.urls.placement);
    proxy.next(faults.dropAfter(), ({ method }) => method === "PUT");
    using reporter = bench.reporter({ placement: { endpoint_override: proxy.url } });
    await reporter.report(CLAIM, testContext());
    expect([...(await bench.current())].sort()).toEqual(ENCRYPTION_TRAITS);
  });
});

describe("the account", () => {
  test("is asked for another token when Placement refuses one, once", async () => {
    await using proxy = await FaultProxy.start(bench.os.urls.placement);
    proxy.next(faults.unauthorized(), ({ method }) => method === "PUT");
    using reporter = bench.reporter({ placement: { endpoint_override: proxy.url } });
    await reporter.report(CLAIM, testContext());
    expect([...(await bench.current())].sort()).toEqual(ENCRYPTION_TRAITS);
    expect(proxy.count("PUT")).toBe(2);
  });

  test("is not accepted by Placement at all", async () => {
    await using trouble = await behind(faults.unauthorized());
    expect((await errorOf(trouble.reporter.report(CLAIM, testContext()))).code).toBe("TokenRefused");
    expect(trouble.proxy.count("GET")).toBe(3);
  });

  test.each(["alice", "hostagent"] as const)(
    "%s has not the role: told which one is needed",
    async (user) => {
      using reporter = bench.reporter({ user });
      const error = await errorOf(reporter.report(CLAIM, testContext()));
      expect(error).toMatchObject({ code: "PermissionDenied", details: { status: 403 } });
      expect(error.message).toMatch(/role service.*admin/);
    },
  );

  test("has another password", async () => {
    using reporter = bench.reporter({ placement: { password: "wrong" } });
    expect((await errorOf(reporter.report(CLAIM, testContext()))).code).toBe("AuthenticationFailed");
  });
});
