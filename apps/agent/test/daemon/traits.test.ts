import { join } from "node:path";
import { expect, test } from "vitest";
import { reports } from "./noting-reporter.ts";
import { Daemon, daemonHost, socketOf } from "./running-daemon.ts";

test("the daemon reports the host's traits again and again, and stops with them", async () => {
  await using host = await daemonHost();
  const plugin = join(import.meta.dirname, "noting-reporter.ts");
  await host.configure(
    `plugins = @luksmith/backend-raw, @luksmith/keymgr-local, ${plugin}`,
    `socket = ${socketOf(host)}`,
    "traits_interval = 1",
  );
  const daemon = await Daemon.start(host);
  while (reports().length < 2) await new Promise((resolve) => setTimeout(resolve, 20));
  expect(reports()[0]?.traits).toContain("COMPUTE_EPHEMERAL_ENCRYPTION_LUKS");
  expect((await daemon.call("POST", "/v1/traits/sync")).json).toMatchObject({
    reporters: [{ reporter: "noting" }],
  });
  expect(await daemon.stop()).toBe(0);
});
