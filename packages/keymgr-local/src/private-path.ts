import { lstatSync, mkdirSync, type Stats } from "node:fs";
import { dirname } from "node:path";
import { LuksmithError } from "@luksmith/core";
import { syncDirectory } from "./durable-file.ts";
import { errnoOf } from "./errno.ts";

type UnsafeCode = "StateDirectoryUnsafe" | "KeyStoreUnsafe";

const GROUP_AND_OTHERS = 0o077;
const GROUP_AND_OTHERS_WRITE = 0o022;

/**
 * Makes the state directory if it is not there (0700) and refuses it if anybody else could read or change it.
 * @throws `StateDirectoryUnsafe` with the command that mends it
 */
export function preparePrivateDirectory(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) makeDirectory(path);
  const stats = lstatSync(path);
  refuseLink("StateDirectoryUnsafe", path, stats);
  if (!stats.isDirectory()) {
    throw unsafe("StateDirectoryUnsafe", path, "is not a directory; set [luksmith] state_path to one");
  }
  refuseForeign("StateDirectoryUnsafe", path, stats);
  if ((stats.mode & GROUP_AND_OTHERS) !== 0) {
    throw unsafe(
      "StateDirectoryUnsafe",
      path,
      `is open to other users (mode ${octal(stats)}); run: chmod 700 ${quote(path)}`,
    );
  }
}

/**
 * Refuses a file with secrets that is a link, is not a file, or could be read or changed by anybody else.
 * @throws `KeyStoreUnsafe` with the command that mends it
 */
export function checkPrivateFile(path: string, stats: Stats): void {
  refuseLink("KeyStoreUnsafe", path, stats);
  if (!stats.isFile()) throw unsafe("KeyStoreUnsafe", path, "is not a regular file; move it away");
  refuseForeign("KeyStoreUnsafe", path, stats);
  if ((stats.mode & GROUP_AND_OTHERS) !== 0) {
    throw unsafe(
      "KeyStoreUnsafe",
      path,
      `is open to other users (mode ${octal(stats)}); run: chmod 600 ${quote(path)}`,
    );
  }
}

/**
 * Refuses a file that this user reads but the host provides, as systemd does with credentials: root may own it, and a
 * group may read it (systemd grants a service's user access by an ACL, which shows as group bits).
 * @throws `KeyStoreUnsafe`
 */
export function checkProvidedFile(path: string, stats: Stats): void {
  refuseLink("KeyStoreUnsafe", path, stats);
  if (!stats.isFile()) throw unsafe("KeyStoreUnsafe", path, "is not a regular file");
  if (stats.uid !== 0) refuseForeign("KeyStoreUnsafe", path, stats);
  if ((stats.mode & 0o037) !== 0) {
    throw unsafe(
      "KeyStoreUnsafe",
      path,
      `is open to other users (mode ${octal(stats)}); run: chmod 400 ${quote(path)}`,
    );
  }
}

/**
 * Refuses a directory in which somebody else could exchange a file.
 * @throws `KeyStoreUnsafe` with the command that mends it
 */
export function checkTrustedDirectory(path: string): void {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined)
    throw unsafe("KeyStoreUnsafe", path, "does not exist; create it, owned by the agent's user");
  refuseLink("KeyStoreUnsafe", path, stats);
  if (!stats.isDirectory()) throw unsafe("KeyStoreUnsafe", path, "is not a directory");
  if (stats.uid !== 0) refuseForeign("KeyStoreUnsafe", path, stats);
  if ((stats.mode & GROUP_AND_OTHERS_WRITE) !== 0) {
    throw unsafe(
      "KeyStoreUnsafe",
      path,
      `is writable by other users (mode ${octal(stats)}); run: chmod go-w ${quote(path)}`,
    );
  }
}

function makeDirectory(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    const code = errnoOf(error);
    if (code === "EEXIST") return;
    if (code !== "ENOENT" && code !== "ENOTDIR") throw error;
    const command = `install -d -m 700 -o ${effectiveUid()} ${quote(path)}`;
    throw unsafe(
      "StateDirectoryUnsafe",
      path,
      `cannot be made, its parent is missing; run: ${command}`,
      error,
    );
  }
  syncDirectory(dirname(path));
}

function refuseLink(code: UnsafeCode, path: string, stats: Stats): void {
  if (stats.isSymbolicLink()) {
    throw unsafe(
      code,
      path,
      "is a symbolic link; name the real path in the configuration, or put the file itself here",
    );
  }
}

function refuseForeign(code: UnsafeCode, path: string, stats: Stats): void {
  const uid = effectiveUid();
  if (stats.uid !== uid) {
    const command = `chown ${uid} ${quote(path)}`;
    throw unsafe(
      code,
      path,
      `belongs to user ${stats.uid}, not to user ${uid} that this runs as; run as that user, or: ${command}`,
    );
  }
}

function effectiveUid(): number {
  return process.geteuid?.() ?? 0;
}

function unsafe(code: UnsafeCode, path: string, problem: string, cause?: unknown): LuksmithError {
  return new LuksmithError(code, `${path} ${problem}`, { details: { path }, cause });
}

function octal(stats: Stats): string {
  return (stats.mode & 0o7777).toString(8).padStart(4, "0");
}

/** For commands that people paste into a shell. */
function quote(path: string): string {
  return /^[\w./@%+=:-]+$/.test(path) ? path : `'${path.replaceAll("'", String.raw`'\''`)}'`;
}
