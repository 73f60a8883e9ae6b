import { expect, test } from "vitest";
import { Metrics } from "../../src/daemon/metrics.ts";

test("calls of the key manager that wait, have waited and were refused are counted beside those that were made", async () => {
  const metrics = new Metrics();
  const value = async (name: string): Promise<number> =>
    Number(new RegExp(`^${name} (\\d+)$`, "mu").exec(await metrics.text())?.[1]);
  expect(await value("luksmith_key_manager_calls_waiting")).toBe(0);
  metrics.onKeyManager({ call: "wait", began: true, waiting: 1 });
  metrics.onKeyManager({ call: "wait", began: true, waiting: 2 });
  expect(await value("luksmith_key_manager_calls_waiting")).toBe(2);
  metrics.onKeyManager({ call: "wait", began: false, waiting: 1 });
  metrics.onKeyManager({ call: "refused" });
  metrics.onKeyManager({ call: "get", code: "KeyManagerUnavailable" });
  expect(await value("luksmith_key_manager_calls_waiting")).toBe(1);
  expect(await value("luksmith_key_manager_calls_delayed_total")).toBe(2);
  expect(await value("luksmith_key_manager_calls_refused_total")).toBe(1);
  expect(await metrics.text()).toContain('luksmith_key_manager_calls_total{call="get"} 1');
});
