import { readdir, readFile, readlink, stat } from "node:fs/promises";
import { errnoOf, ioError } from "../errors/io-error.ts";

/**
 * Processes that hold a file lock on `path`, as `name (pid)`. QEMU locks the images it uses (open file description
 * locks, bytes 100 and up: block/file-posix.c); the kernel lists all locks in /proc/locks (proc_locks(5)). They are
 * matched by inode alone, since some file systems (btrfs, overlayfs) show other device numbers there: this errs
 * towards "in use".
 */
export async function lockHolders(path: string): Promise<readonly string[]> {
  const inode = await inodeOf(path);
  if (inode === undefined) return [];
  const owners = ownersOf(inode, await readFile("/proc/locks", "utf8"));
  owners.delete(process.pid);
  if (owners.size === 0) return [];
  // Open file description locks have no owner in the list (-1), though processes hold them.
  const pids = owners.has(-1) ? await processesWithOpen(path) : [...owners];
  return pids.length === 0 ? ["a process that cannot be named"] : Promise.all(pids.map(processName));
}

/** The pids in lines like `1: OFDLCK ADVISORY  READ 4711 fe:01:1234 100 101`; waiting ones have `->` in front. */
function ownersOf(inode: string, locks: string): Set<number> {
  const owners = new Set<number>();
  for (const line of locks.split("\n")) {
    const [, , , , pid, device] = line.replace("->", "").trim().split(/\s+/);
    if (pid !== undefined && device?.split(":")[2] === inode) owners.add(Number(pid));
  }
  return owners;
}

async function inodeOf(path: string): Promise<string | undefined> {
  try {
    return String((await stat(path, { bigint: true })).ino);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw ioError(error, `looking at ${path}`);
  }
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
