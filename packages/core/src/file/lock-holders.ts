import { readdir, readFile, readlink, realpath, stat } from "node:fs/promises";
import { errnoOf, ioError } from "../errors/io-error.ts";

/**
 * Processes that hold a file lock on `path`, as `name (pid)`. QEMU locks the images it uses (open file description
 * locks, bytes 100 and up: block/file-posix.c); the kernel lists all locks in /proc/locks (proc_locks(5)). Some file
 * systems (btrfs, overlayfs) show other device numbers there than stat(2) does: a lock on the same inode number of
 * another device counts where a process has the file open.
 */
export async function lockHolders(path: string): Promise<readonly string[]> {
  const file = await placeOf(path);
  if (file === undefined) return [];
  const locks = locksOn(file.inode, await readFile("/proc/locks", "utf8"));
  if (locks.length === 0) return [];
  const sure = locks.filter(({ device }) => device === file.device);
  // Open file description locks have no owner in the list (-1), though processes hold them.
  const named = sure.map(({ pid }) => pid).filter((pid) => pid > 0);
  const pids = named.length > 0 ? new Set(named) : new Set(await processesWithOpen(path));
  if (pids.size > 0) return Promise.all([...pids].map(processName));
  return sure.length > 0 ? ["a process that cannot be named"] : [];
}

/** Other processes that have the file open, locked or not, as `name (pid)`; those of others only where we may look. */
export async function openers(path: string): Promise<readonly string[]> {
  const real = await realpath(path).catch((error: unknown) => {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw ioError(error, `looking who has ${path} open`);
  });
  return real === undefined ? [] : Promise.all((await processesWithOpen(real)).map(processName));
}

interface HeldLock {
  readonly pid: number;
  /** `MAJOR:MINOR` in hexadecimal. */
  readonly device: string;
}

/** From lines like `1: OFDLCK ADVISORY  READ 4711 fe:01:1234 100 101`; waiting ones have `->` in front. */
function locksOn(inode: string, locks: string): readonly HeldLock[] {
  return locks.split("\n").flatMap((line) => {
    const [, , , , pid, place] = line.replace("->", "").trim().split(/\s+/);
    const [major, minor, held] = place?.split(":") ?? [];
    if (held !== inode || Number(pid) === process.pid) return [];
    return [{ pid: Number(pid), device: `${major}:${minor}` }];
  });
}

async function placeOf(path: string): Promise<{ inode: string; device: string } | undefined> {
  try {
    const { ino, dev } = await stat(path, { bigint: true });
    return { inode: String(ino), device: deviceText(dev) };
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw ioError(error, `looking at ${path}`);
  }
}

/** As the kernel prints it; the numbers are packed as in gnu_dev_major(3). */
function deviceText(dev: bigint): string {
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn);
  const minor = (dev & 0xffn) | ((dev >> 12n) & ~0xffn);
  const hex = (value: bigint): string => value.toString(16).padStart(2, "0");
  return `${hex(major)}:${hex(minor)}`;
}

/** Looks through /proc; processes of others are left out where we may not look. */
async function processesWithOpen(path: string): Promise<readonly number[]> {
  const pids = (await readdir("/proc")).map(Number).filter((pid) => pid > 0 && pid !== process.pid);
  const open = await Promise.all(pids.map((pid) => hasOpen(pid, path)));
  return pids.filter((_, index) => open[index]);
}

async function hasOpen(pid: number, path: string): Promise<boolean> {
  const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => []);
  const targets = await Promise.all(
    descriptors.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => "")),
  );
  return targets.includes(path);
}

async function processName(pid: number): Promise<string> {
  const name = await readFile(`/proc/${pid}/comm`, "utf8").catch(() => "process");
  return `${name.trim()} (${pid})`;
}
