import { spawnSync } from "node:child_process";
import { closeSync, constants, openSync, writeSync } from "node:fs";

/** What a program said and how it ended. */
export interface Ended {
  readonly status: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/**
 * Runs a program to its end. Secrets go in as descriptors 3, 4, …: files in memory without a name.
 * @param input bytes for its standard input
 */
export function run(
  file: string,
  args: readonly string[],
  options: {
    readonly input?: Buffer;
    readonly secrets?: readonly Buffer[];
    readonly env?: Readonly<Record<string, string>>;
  } = {},
): Ended {
  const fds = (options.secrets ?? []).map(namelessFile);
  try {
    const { status, stdout, stderr, error } = spawnSync(file, args, {
      stdio: ["pipe", "pipe", "pipe", ...fds],
      maxBuffer: 1 << 26,
      env: { ...process.env, ...options.env },
      ...(options.input ? { input: options.input } : {}),
    });
    if (error) throw error;
    return { status, stdout, stderr: stderr.toString() };
  } finally {
    fds.forEach((fd) => closeSync(fd));
  }
}

/** As `run`, but a program that fails ends the demo. */
export function must(file: string, args: readonly string[], options: Parameters<typeof run>[2] = {}): Buffer {
  const { status, stdout, stderr } = run(file, args, options);
  if (status !== 0) throw new Error(`${file} ${args.join(" ")} exited with ${status}: ${stderr.trim()}`);
  return stdout;
}

/** O_TMPFILE of asm-generic/fcntl.h, without O_DIRECTORY */
const O_TMPFILE = 0o20_000_000;

function namelessFile(content: Buffer): number {
  const fd = openSync("/dev/shm", constants.O_RDWR | constants.O_DIRECTORY | O_TMPFILE, 0o600);
  writeSync(fd, content);
  return fd;
}
