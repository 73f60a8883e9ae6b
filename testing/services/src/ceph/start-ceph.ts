import { execFile, spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { mkdtemp, rm, unlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { freePorts } from "../openstack/free-ports.ts";
import { AGENT, type CephIds, FOREIGN_POOL, POOL, writeCephConfiguration } from "./ceph-configuration.ts";
import { CephEnv, type CephInfo } from "./ceph-env.ts";
import { CEPH_ENVIRONMENT, type CephDaemon, CephProcess } from "./ceph-process.ts";

const run = promisify(execFile);
const START_TIMEOUT_MS = 90_000;

/** A cluster of one's own: stop its daemons, let them hang, dispose of it. */
export class OwnCeph extends CephEnv implements AsyncDisposable {
  readonly #process: CephProcess;

  constructor(info: CephInfo, daemons: CephProcess) {
    super(info);
    this.#process = daemons;
  }

  /** As a network does that is cut: connections stay, and nothing answers; from now on, until `goOn`. */
  hang(daemon: CephDaemon): void {
    this.#process.hang(daemon, true);
  }

  goOn(daemon: CephDaemon): void {
    this.#process.hang(daemon, false);
  }

  /** An OSD that has ended has lost its objects: they were in its memory. */
  async stop(daemon: CephDaemon, by: "TERM" | "KILL" = "TERM"): Promise<void> {
    await this.#process.stop(daemon, by);
  }

  async start(daemon: CephDaemon): Promise<void> {
    await this.#process.start(daemon);
  }

  /** Ends the daemons and removes the state; again, it does nothing. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process.end();
    await rm(this.info.stateDirectory, { recursive: true, force: true });
  }
}

/** Starts a cluster next to others; returns when its user can use its pool. If it does not come up, nothing stays. */
export async function startCeph(): Promise<OwnCeph> {
  const stateDirectory = await mkdtemp(join(tmpdir(), "ceph-"));
  const [monPort = 0] = await freePorts(1);
  const ids = await writeCephConfiguration(stateDirectory, monPort);
  const daemons = new CephProcess(stateDirectory);
  const { fsid, agentKey } = ids;
  const environment = new OwnCeph({ stateDirectory, fsid, monPort, agentKey }, daemons);
  try {
    await begin(stateDirectory, ids, daemons);
    await answers(environment, daemons, Date.now() + START_TIMEOUT_MS);
    return environment;
  } catch (error) {
    const log = daemons.logTail();
    await environment[Symbol.asyncDispose]();
    throw new Error(`Ceph did not start; the end of its log:\n${log}`, { cause: error });
  }
}

async function begin(
  directory: string,
  { fsid, osdFsid, monPort }: CephIds,
  daemons: CephProcess,
): Promise<void> {
  const conf = ["-c", join(directory, "ceph.conf")];
  const options = { env: CEPH_ENVIRONMENT, timeout: START_TIMEOUT_MS };
  const monmap = join(directory, "run/monmap");
  const boot = join(directory, "boot.keyring");
  // It needs no monitor: its id and key are known.
  const osdMade = run(
    "ceph-osd",
    [...conf, "-i", "0", "--mkfs", "--no-mon-config", "--osd-uuid", osdFsid],
    options,
  );
  osdMade.catch(() => undefined);
  const address = `[v2:127.0.0.1:${monPort}]`;
  await run("monmaptool", ["--create", "--fsid", fsid, "--addv", "a", address, monmap], options);
  await run("ceph-mon", [...conf, "-i", "a", "--mkfs", "--monmap", monmap, "--keyring", boot], options);
  await unlink(boot);
  await daemons.start("mon");
  // One process for all: each start of `ceph` takes as long as all that it is told.
  await tellMonitor(conf, [
    `osd new ${osdFsid} 0`,
    ...[POOL, FOREIGN_POOL].flatMap((pool) => [
      `osd pool create ${pool} 8 8 replicated`,
      `osd pool application enable ${pool} rbd`,
    ]),
  ]);
  await osdMade;
  await daemons.start("osd");
}

async function tellMonitor(conf: readonly string[], commands: readonly string[]): Promise<void> {
  const child = spawn("ceph", [...conf, "--connect-timeout", "60"], { env: CEPH_ENVIRONMENT });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  // One that ended before it read them says why in its status.
  child.stdin.on("error", () => {});
  child.stdin.end(`${commands.join("\n")}\n`);
  const [said, failed, status] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  if (status !== 0 || /^Error/m.test(said + failed)) throw new Error(`ceph: ${said}${failed}`);
}

async function answers(environment: CephEnv, daemons: CephProcess, until: number): Promise<void> {
  for (;;) {
    const tried = run(
      "rbd",
      ["-c", environment.conf, "--id", AGENT, "ls", POOL, "--rados-osd-op-timeout", "5"],
      { env: CEPH_ENVIRONMENT, timeout: 10_000 },
    );
    if (
      await tried.then(
        () => true,
        () => false,
      )
    )
      return;
    if (Date.now() > until) throw new Error(`its pool does not answer: ${daemons.logTail()}`);
    await sleep(50);
  }
}
