import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { AGENT, FOREIGN_POOL, POOL } from "./ceph-configuration.ts";
import { CEPH_ENVIRONMENT } from "./ceph-process.ts";

const run = promisify(execFile);

/** What another process needs to know to use a cluster; JSON. */
export interface CephInfo {
  readonly stateDirectory: string;
  readonly fsid: string;
  readonly monPort: number;
  /** The agent's cephx key, as in a keyring. */
  readonly agentKey: string;
}

/** A Ceph cluster for tests: one monitor, one OSD, cephx, a user that may use one pool. */
export class CephEnv {
  readonly info: CephInfo;
  /** The user, without `client.`. */
  readonly user = AGENT;
  readonly pool = POOL;
  /** One that the user may not use. */
  readonly foreignPool = FOREIGN_POOL;

  constructor(info: CephInfo) {
    this.info = info;
  }

  /** For `[libvirt] images_rbd_ceph_conf`. */
  get conf(): string {
    return join(this.info.stateDirectory, "ceph.conf");
  }

  /** `rbd`, as the user unless told otherwise; its standard output. */
  async rbd(args: readonly string[], { as = AGENT }: { as?: string } = {}): Promise<string> {
    return (await this.#run("rbd", ["-c", this.conf, "--id", as, ...args])).toString("utf8");
  }

  /** `rbd export` to memory: the bytes of an image, `POOL[/NAMESPACE]/IMAGE`. */
  async bytes(image: string): Promise<Buffer> {
    return this.#run("rbd", ["-c", this.conf, "--id", AGENT, "export", "--no-progress", image, "-"]);
  }

  /** `rados` on the user's pool. */
  async rados(args: readonly string[], namespace?: string): Promise<Buffer> {
    const where = namespace === undefined ? [] : ["--namespace", namespace];
    return this.#run("rados", ["-c", this.conf, "--id", AGENT, "-p", POOL, ...where, ...args]);
  }

  /** `ceph` as the administrator. */
  async admin(args: readonly string[]): Promise<string> {
    const all = ["-c", this.conf, "--connect-timeout", "20", ...args];
    return (await this.#run("ceph", all)).toString("utf8");
  }

  /** Names of all objects of images and of what belongs to them; not what there is but once in a pool. */
  async objects(namespace?: string): Promise<readonly string[]> {
    const names = (await this.rados(["ls"], namespace)).toString("utf8").split("\n");
    return names.filter((name) => name !== "" && !POOL_OBJECTS.has(name)).sort();
  }

  async #run(file: string, args: readonly string[]): Promise<Buffer> {
    const options = {
      encoding: "buffer",
      maxBuffer: 256 * 1024 * 1024,
      env: CEPH_ENVIRONMENT,
      timeout: 60_000,
    } as const;
    return (await run(file, [...args], options)).stdout;
  }
}

const POOL_OBJECTS = new Set([
  "rbd_directory",
  "rbd_info",
  "rbd_children",
  "rbd_trash",
  "rbd_namespace",
  "rbd_task",
  "rbd_mirroring",
]);
