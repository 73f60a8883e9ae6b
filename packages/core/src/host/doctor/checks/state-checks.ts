import { lstat } from "node:fs/promises";
import type { Finding, HealthCheck } from "../../../health/health-check.ts";
import { lockHolder } from "../../../journal/state-lock.ts";
import type { DoctorHost } from "../doctor-host.ts";

/** A clock that is set is not this much off. */
const CLOCK_SLACK_MS = 5 * 60_000;

/** The state directory, its database, and what is unfinished in it. */
export function stateChecks(host: DoctorHost): readonly HealthCheck[] {
  return [
    {
      id: "state.database",
      fine: `${host.config.luksmith.state_path} is ours alone, and its database is sound`,
      run: async () => {
        const { inventory } = await host.host();
        inventory?.instances();
        return [];
      },
    },
    { id: "state.unfinished", fine: "no operation is unfinished", run: () => unfinished(host) },
    { id: "clock.past", fine: "nothing recorded lies in the future", run: () => future(host) },
    { id: "daemon.socket", fine: "the daemon's socket is as it should be", run: () => socket(host) },
  ];
}

async function unfinished(host: DoctorHost): Promise<readonly Finding[]> {
  const open = (await host.host()).inventory?.unfinished() ?? [];
  const holder = host.isDaemon ? undefined : lockHolder(host.config.luksmith.state_path);
  // What somebody works on now is unfinished as well.
  const since = host.isDaemon ? STARTED : holder?.since;
  const old = open.filter(({ startedAt }) => since === undefined || startedAt < since);
  return old.map(({ kind, subject, startedAt }): Finding => ({
    severity: "warning",
    finding: `the ${kind} of ${subject} that began ${startedAt} has not ended`,
    fix: "luksmith recover; it says what keeps it from ending",
  }));
}

/** Of this process; what began before belongs to another one. */
const STARTED = new Date(Date.now() - process.uptime() * 1000).toISOString();

async function future(host: DoctorHost): Promise<readonly Finding[]> {
  const { inventory } = await host.host();
  const times = [...(inventory?.instances() ?? []), ...(inventory?.snapshots() ?? [])].map(
    ({ createdAt }) => createdAt,
  );
  const latest = times.sort().at(-1);
  const limit = new Date(Date.now() + CLOCK_SLACK_MS).toISOString();
  if (latest === undefined || latest <= limit) return [];
  return [
    {
      severity: "warning",
      finding: `the inventory has something made ${latest}, and the clock says ${new Date().toISOString()}: it is wrong now, or was then`,
      fix: "set the clock, and keep it by NTP (chrony); tokens and certificates are judged by it",
    },
  ];
}

async function socket({ config: { luksmith }, isDaemon }: DoctorHost): Promise<readonly Finding[]> {
  const stat = await lstat(luksmith.socket).catch(() => undefined);
  if (!stat) {
    const finding = `no daemon runs (there is no ${luksmith.socket}): each command works by itself`;
    return [{ severity: "info", finding }];
  }
  const findings: Finding[] = [];
  const mode = (stat.mode & 0o7777).toString(8).padStart(4, "0");
  if (!stat.isSocket()) {
    findings.push({
      severity: "error",
      finding: `${luksmith.socket} is no socket: the daemon cannot start`,
      fix: `remove ${luksmith.socket}, or set [luksmith] socket`,
    });
  } else if ((stat.mode & 0o007) !== 0) {
    findings.push({
      severity: "error",
      finding: `${luksmith.socket} is open to everybody on this host (mode ${mode}): whoever connects can do all that the daemon can`,
      fix: `chmod o-rwx ${luksmith.socket}; [luksmith] socket_group opens it to a group`,
    });
  } else if (!isDaemon) {
    findings.push({
      severity: "warning",
      finding: `${luksmith.socket} is there and no daemon of this configuration answers on it`,
      fix: "start the daemon (systemctl start luksmith), or remove the socket if it is not wanted",
    });
  }
  return findings;
}
