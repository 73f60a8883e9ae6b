import { expect, test } from "vitest";
import { Daemon, daemonHost, socketOf } from "./running-daemon.ts";

test(
  "the daemon examines itself, and its stale socket is found without it",
  { timeout: 120_000 },
  async () => {
    await using host = await daemonHost();
    await host.configure(`socket = ${socketOf(host)}`);
    const doctor = async (...only: readonly string[]) => {
      const { exitCode, out } = await host.run(["doctor", "--json", "--only", ...only]);
      return { exitCode, ...(JSON.parse(out) as { findings: { id: string; severity: string }[] }) };
    };
    const daemon = await Daemon.start(host);
    const seen = await doctor("daemon.socket", "state.unfinished", "backend.write", "keys.round-trip");
    expect(seen.findings.map(({ id, severity }) => [id, severity])).toEqual([
      ["state.unfinished", "ok"],
      ["daemon.socket", "ok"],
      ["keys.round-trip", "ok"],
      ["backend.write", "ok"],
    ]);
    expect(seen.exitCode).toBe(0);
    expect((await daemon.call("GET", "/v1/instances")).json).toEqual({
      instances: [],
      snapshots: [],
      unfinished: [],
    });
    expect(await daemon.stop()).toBe(0);
  },
);
