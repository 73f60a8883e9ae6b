import { execa, type Options } from "execa";
import type { FileHandle } from "node:fs/promises";
import type { Passphrase } from "@luksmith/luks";
import type { Command, CommandResult, CommandRunner } from "../command/command-runner.ts";
import { openTmpfsFile } from "../command/tmpfs-file.ts";
import { LuksmithError } from "../errors/luksmith-error.ts";
import { ProcessGroup } from "./process-group.ts";
import { cancelledError, type OpContext, throwIfCancelled } from "../image/op-context.ts";

const DEFAULT_TIMEOUT_MS = 60_000;
const DEFAULT_OUTPUT_BYTES = 1024 * 1024;
const STDERR_KEPT = 2_000;

/** The Debian package of each program we may call, for the message when it is missing. */
const DEBIAN_PACKAGE: Readonly<Record<string, string>> = {
  "qemu-img": "qemu-utils",
  mke2fs: "e2fsprogs",
  mkswap: "util-linux",
  fallocate: "util-linux",
  blockdev: "util-linux",
  cryptsetup: "cryptsetup-bin",
  dmsetup: "dmsetup",
  "mkfs.xfs": "xfsprogs",
  "mkfs.vfat": "dosfstools",
  mkntfs: "ntfs-3g",
  lvs: "lvm2",
  vgs: "lvm2",
  lvcreate: "lvm2",
  lvchange: "lvm2",
  lvextend: "lvm2",
  lvremove: "lvm2",
  lvrename: "lvm2",
  blkdiscard: "util-linux",
  getent: "libc-bin",
  "systemd-notify": "systemd",
  "/usr/bin/python3": "python3",
};

/** The one place that starts programs: no shell, a minimal environment, a time-out, secrets by inherited descriptor. */
export class ExecaRunner implements CommandRunner {
  async run(command: Command, ctx: OpContext): Promise<CommandResult> {
    throwIfCancelled(ctx);
    const secrets: FileHandle[] = [];
    try {
      for (const secret of command.secretFds ?? []) secrets.push(await secretFile(secret));
      const inherited = [...secrets.map((file) => file.fd), ...(command.inheritFds ?? [])];
      return await this.#start(command, inherited, ctx);
    } finally {
      await Promise.all(secrets.map((file) => file.close()));
    }
  }

  async #start(command: Command, inherited: readonly number[], ctx: OpContext): Promise<CommandResult> {
    const timeout = command.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    const started = performance.now();
    const options = {
      // execa passes descriptor numbers on, but its types know them for the first three only.
      stdio: [command.stdin ? "pipe" : "ignore", "pipe", "pipe", ...(inherited as readonly never[])],
      env: { PATH: searchPath(), HOME: process.env["HOME"] ?? "/", LC_ALL: "C", ...command.env },
      extendEnv: false,
      reject: false,
      detached: true, // leads a process group of its own
      maxBuffer: command.maxOutputBytes ?? DEFAULT_OUTPUT_BYTES,
      stripFinalNewline: false,
      encoding: "utf8",
    } satisfies Options;
    const [file, args] = limited(command);
    const child = execa(file, args, options);
    const { onStdout } = command;
    if (onStdout) child.stdout?.on("data", (chunk: Buffer) => onStdout(chunk.toString()));
    if (command.stdin && child.stdin) writeSecret(command.stdin, child.stdin);
    using group = new ProcessGroup(child, timeout, ctx.signal);
    const result = await child;
    if (result.isMaxBuffer) group.end();
    const ms = Math.round(performance.now() - started);
    ctx.log.debug({ file: command.file, args: command.args, exitCode: result.exitCode, ms }, "command");
    if (ctx.signal.aborted) throw cancelledError(ctx.signal.reason);
    const stdout = result.stdout ?? "";
    const stderr = result.stderr ?? "";
    if (result.exitCode !== undefined && !result.failed) return { exitCode: result.exitCode, stdout, stderr };
    if (result.exitCode !== undefined && command.okExitCodes?.includes(result.exitCode)) {
      return { exitCode: result.exitCode, stdout, stderr };
    }
    const { exitCode, signal, isMaxBuffer, code } = result;
    throw failure(
      command,
      { exitCode, signal, isMaxBuffer, code, timedOut: group.timedOut },
      stderr,
      timeout,
    );
  }
}

/** The command, behind prlimit(1) where it has limits. */
function limited({ file, args, limits }: Command): readonly [string, readonly string[]] {
  if (!limits) return [file, args];
  const { addressSpaceBytes, cpuSeconds } = limits;
  return ["prlimit", [`--as=${addressSpaceBytes}`, `--cpu=${cpuSeconds}`, "--core=0", "--", file, ...args]];
}

async function secretFile(secret: Passphrase): Promise<FileHandle> {
  const file = await openTmpfsFile();
  const copy = secret.use((bytes) => Buffer.from(bytes));
  try {
    await file.write(copy, 0, copy.length, 0);
    return file;
  } catch (error) {
    await file.close();
    throw error;
  } finally {
    copy.fill(0);
  }
}

function writeSecret(input: Passphrase | Uint8Array, stdin: NodeJS.WritableStream): void {
  const bytes = input instanceof Uint8Array ? Buffer.from(input) : input.use((secret) => Buffer.from(secret));
  stdin.on("error", () => {}); // a child that exits early is judged by its exit code
  stdin.end(bytes, () => bytes.fill(0));
}

/** sbin holds mkfs and mkswap, and is missing from an ordinary user's PATH. */
function searchPath(): string {
  return [process.env["PATH"] ?? "/usr/bin:/bin", "/usr/local/sbin:/usr/sbin:/sbin"].join(":");
}

interface Ended {
  readonly timedOut: boolean;
  readonly exitCode?: number | undefined;
  readonly signal?: string | undefined;
  readonly isMaxBuffer: boolean;
  readonly code?: string | undefined;
}

function failure(command: Command, result: Ended, stderr: string, timeout: number): LuksmithError {
  const said = stderr.slice(-STDERR_KEPT).trim();
  const details = {
    file: command.file,
    args: command.args,
    exitCode: result.exitCode,
    signal: result.signal,
    stderr: said,
  };
  if (result.code === "ENOENT") {
    const from = DEBIAN_PACKAGE[command.file];
    const advice = from ? `install the Debian package ${from}` : "install it";
    return new LuksmithError("CommandNotFound", `${command.file} was not found; ${advice}`, { details });
  }
  if (result.timedOut) {
    return new LuksmithError(
      "CommandTimedOut",
      `${command.file} did not finish within ${timeout / 1000} s and was killed`,
      { details },
    );
  }
  if (result.isMaxBuffer) {
    return new LuksmithError("CommandFailed", `${command.file} printed more than expected and was killed`, {
      details,
    });
  }
  const how = result.signal
    ? `was killed by ${result.signal}`
    : `exited with ${result.exitCode ?? result.code}`;
  return new LuksmithError("CommandFailed", `${command.file} ${how}: ${said || "it said nothing"}`, {
    details,
  });
}
