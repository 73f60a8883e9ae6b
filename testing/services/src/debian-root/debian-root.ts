import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { baseRoot } from "./base-root.ts";

const run = promisify(execFile);
const DEVICES = ["null", "zero", "full", "random", "urandom"];

export interface RootResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A clean Debian in a folder: programs there have processes, mounts, a host name and a network (none) of their own. */
export class DebianRoot implements AsyncDisposable {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async start(): Promise<DebianRoot> {
    const base = await baseRoot();
    const folder = await mkdtemp(join(tmpdir(), "luksmith-debian-"));
    const root = new DebianRoot(folder);
    await chmod(folder, 0o755);
    await run("tar", ["-xf", base, "--numeric-owner", "-C", folder]);
    await mkdir(join(folder, "dev"), { recursive: true });
    return root;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** Where a path of the root's is outside. */
  path(inside: string): string {
    return join(this.#folder, inside);
  }

  async write(inside: string, content: string | Buffer): Promise<void> {
    await mkdir(dirname(this.path(inside)), { recursive: true });
    await writeFile(this.path(inside), content);
  }

  async read(inside: string): Promise<string> {
    return await readFile(this.path(inside), "utf8");
  }

  /** Runs a script as root of the folder; any exit code is a result. Whatever it has started ends with it. */
  async run(script: string): Promise<RootResult> {
    const at = (inside: string): string => `'${this.path(inside)}'`;
    const mounts = [
      `mount -t tmpfs -o mode=755 dev ${at("dev")}`,
      ...DEVICES.map(
        (name) => `touch ${at(`dev/${name}`)} && mount --bind /dev/${name} ${at(`dev/${name}`)}`,
      ),
      `mkdir ${at("dev/shm")} && mount -t tmpfs -o mode=1777 shm ${at("dev/shm")}`,
      `ln -s /proc/self/fd ${at("dev/fd")}`,
      'exec chroot "$1" /bin/sh -euc "$2"',
    ];
    const spaces = ["--mount", "--pid", "--fork", "--kill-child", "--ipc", "--uts", "--net"];
    const inside = ["sh", "-euc", mounts.join("\n"), "sh", this.#folder, script];
    const env = {
      PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
      HOME: "/root",
      LC_ALL: "C.UTF-8",
      DEBIAN_FRONTEND: "noninteractive",
    };
    const options = { env, maxBuffer: 1 << 26 };
    return await run("unshare", [...spaces, `--mount-proc=${this.path("proc")}`, ...inside], options).then(
      ({ stdout, stderr }) => ({ exitCode: 0, stdout, stderr }),
      (error: { code?: number; message?: string; stdout?: string; stderr?: string }) => ({
        exitCode: error.code ?? 1,
        stdout: error.stdout ?? "",
        stderr: error.stderr ?? error.message ?? "",
      }),
    );
  }

  /** As `run`, for what must succeed. @returns what it said, also on standard error */
  async must(script: string): Promise<string> {
    const { exitCode, stdout, stderr } = await this.run(script);
    if (exitCode !== 0) throw new Error(`exited with ${exitCode}: ${script}\n${stderr}${stdout}`);
    return stdout + stderr;
  }
}
