import { constants } from "node:fs";
import { access, lstat, open, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { errnoOf } from "../errors/io-error.ts";
import { type OpContext, throwIfCancelled } from "../image/op-context.ts";

/** As in `command/tmpfs-file.ts`: Node does not name it. */
const O_TMPFILE = 0o20_000_000;

/** How long a file system may take to answer; NFS without its server does not answer at all. */
const TIMEOUT_MS = 10_000;

/** Directories that have not answered yet: asking again would only stop another thread. */
const pending = new Map<string, Promise<string | undefined>>();

/**
 * Why files cannot be made in a directory now; undefined if they can, or if it is not there and can be made. Leaves
 * nothing behind: makes a file without a name where the file system has such. For `ImageBackend.ready`.
 * @param path absolute
 * @throws `Cancelled`
 */
export async function directoryTrouble(path: string, ctx: OpContext): Promise<string | undefined> {
  throwIfCancelled(ctx);
  const answer = pending.get(path) ?? ask(path);
  const { promise: late, resolve } = Promise.withResolvers<string>();
  const timer = setTimeout(() => resolve(`${path}: the file system does not answer`), TIMEOUT_MS);
  const stop = (): void => resolve("cancelled");
  ctx.signal.addEventListener("abort", stop, { once: true });
  try {
    const trouble = await Promise.race([answer, late]);
    throwIfCancelled(ctx);
    return trouble;
  } finally {
    clearTimeout(timer);
    ctx.signal.removeEventListener("abort", stop);
  }
}

function ask(path: string): Promise<string | undefined> {
  const answer = troubleOf(path).finally(() => pending.delete(path));
  pending.set(path, answer);
  return answer;
}

async function troubleOf(path: string): Promise<string | undefined> {
  try {
    const file = await open(path, constants.O_WRONLY | constants.O_DIRECTORY | O_TMPFILE, 0o600);
    await file.close();
    return undefined;
  } catch (error) {
    const errno = errnoOf(error);
    // It is made with its parents when it is needed.
    if (errno === "ENOENT" && path !== "/") {
      const link = await lstat(path).catch(() => undefined);
      return link ? `${path} is a symbolic link to nothing` : troubleOf(dirname(path));
    }
    // NFS, for one, has no files without names. (EISDIR: kernels that do not know the flag.)
    if (errno === "ENOTSUP" || errno === "EOPNOTSUPP" || errno === "EISDIR") return troubleOfAccess(path);
    return describe(path, error);
  }
}

async function troubleOfAccess(path: string): Promise<string | undefined> {
  try {
    if (!(await stat(path)).isDirectory()) return `${path} is not a directory`;
    await access(path, constants.W_OK | constants.X_OK);
    return undefined;
  } catch (error) {
    return describe(path, error);
  }
}

function describe(path: string, error: unknown): string {
  const why: Readonly<Record<string, string>> = {
    ENOTDIR: "is not a directory",
    EACCES: "is not writable",
    EPERM: "is not writable",
    EROFS: "is on a file system that is mounted read-only",
    ENOSPC: "is full",
    EDQUOT: "is full",
    ESTALE: "is on a network file system that is gone",
  };
  const said = why[errnoOf(error) ?? ""];
  return said ? `${path} ${said}` : `${path}: ${error instanceof Error ? error.message : String(error)}`;
}
