import { isLuksmithError, LuksmithError } from "@luksmith/core";
import { errnoOf } from "./errno.ts";

const RESTORE =
  "the file was left as it is; put back keys.sqlite and the key-encryption key from the same backup, or move it away";

/** SQLite's primary result codes (https://sqlite.org/rescode.html). */
const SQLITE = { error: 1, perm: 3, busy: 5, locked: 6, readonly: 8, corrupt: 11, full: 13, notadb: 26 };

/** `SQLITE_IOERR_SHMSIZE`: `keys.sqlite-shm` could not grow, for which SQLite itself gives no other reason. */
const SHARED_MEMORY_SIZE = 4874;

/**
 * Says what a failure of the file system or of SQLite means for a key manager. What is ours already is passed on.
 *
 * @returns `NoSpace`, `PermissionDenied`, `KeyStoreUnsafe` (damaged), `KeyManagerUnavailable` (busy) or `IoError`
 */
export function storeError(error: unknown, path: string): unknown {
  if (isLuksmithError(error) || !(error instanceof Error)) return error;
  const errcode = "errcode" in error && typeof error.errcode === "number" ? error.errcode : undefined;
  const sqlite = errcode === undefined ? undefined : errcode & 0xff;
  const errno = errnoOf(error);
  const options = { cause: error, details: { path, errcode, errno } };
  if (sqlite === SQLITE.full || errcode === SHARED_MEMORY_SIZE || errno === "ENOSPC" || errno === "EDQUOT") {
    return new LuksmithError(
      "NoSpace",
      `no space left for the key store ${path}; free some and try again`,
      options,
    );
  }
  if (sqlite === SQLITE.busy || sqlite === SQLITE.locked) {
    return new LuksmithError(
      "KeyManagerUnavailable",
      `the key store ${path} is locked by another process; try again`,
      options,
    );
  }
  if (sqlite === SQLITE.corrupt || sqlite === SQLITE.notadb) return damagedStore(path, error.message, error);
  // Our statements are constant: SQL that does not fit means a schema that is not ours.
  if (sqlite === SQLITE.error) return damagedStore(path, error.message, error);
  if (sqlite === SQLITE.perm || sqlite === SQLITE.readonly || errno === "EACCES" || errno === "EPERM") {
    return new LuksmithError(
      "PermissionDenied",
      `no access to the key store ${path}: ${error.message}`,
      options,
    );
  }
  if (sqlite !== undefined || errno !== undefined) {
    return new LuksmithError(
      "IoError",
      `the key store ${path} cannot be read or written: ${error.message}`,
      options,
    );
  }
  return error;
}

/** The store as a whole is not what it must be; one altered secret is `SecretTampered`. */
export function damagedStore(path: string, problem: string, cause?: unknown): LuksmithError {
  return new LuksmithError(
    "KeyStoreUnsafe",
    `the key store ${path} is damaged or not ours (${problem}); ${RESTORE}`,
    {
      details: { path, problem },
      cause,
    },
  );
}
