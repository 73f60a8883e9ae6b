import { readFile, stat } from "node:fs/promises";
import { errnoOf, ioError } from "../errors/io-error.ts";

/**
 * Processes that hold a file lock on `path`, as `name (pid)`. QEMU locks the images it uses (open file description
 * locks, bytes 100 and up: block/file-posix.c); the kernel lists all locks in /proc/locks (proc_locks(5)). File
 * systems whose device numbers differ there (btrfs, overlayfs) are matched by inode alone, which errs towards "in use".
 */
export async function lockHolders(path: string): Promise<readonly string[]> {
  const inode = await inodeOf(path);
  if (inode === undefined) return [];
  const locks = await readFile("/proc/locks", "utf8");
  const pids = new Set<string>();
  for (const line of locks.split("\n")) {
    // 1: OFDLCK ADVISORY  READ 4711 fe:01:1234 100 101
    const [, , , , pid, device] = line.split("->").join("").trim().split(/\s+/);
    if (pid !== undefined && device?.split(":")[2] === inode) pids.add(pid);
  }
  const holders = await Promise.all([...pids].filter((pid) => Number(pid) !== process.pid).map(processName));
  return holders.toSorted();
}

async function inodeOf(path: string): Promise<string | undefined> {
  try {
    return String((await stat(path, { bigint: true })).ino);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw ioError(error, `looking at ${path}`);
  }
}

/** Open file description locks have no owner in the list (-1), though a process holds them. */
async function processName(pid: string): Promise<string> {
  if (Number(pid) <= 0) return "a process that has it open";
  try {
    return `${(await readFile(`/proc/${pid}/comm`, "utf8")).trim()} (${pid})`;
  } catch {
    return `process ${pid}`;
  }
}
