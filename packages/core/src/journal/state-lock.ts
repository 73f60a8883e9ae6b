import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { LuksmithError } from "../errors/luksmith-error.ts";
import { errnoOf, ioError } from "../errors/io-error.ts";
import { ExclusiveLock } from "../file/exclusive-lock.ts";

/** Who holds the state directory; written for the message of those refused. */
export interface LockHolder {
  readonly pid: number;
  readonly command: string;
  /** ISO 8601 */
  readonly since: string;
}

/** The one-writer lock of a state directory. */
export class StateLock implements Disposable {
  readonly #lock: ExclusiveLock;
  readonly #holderFile: string;

  private constructor(lock: ExclusiveLock, holderFile: string) {
    this.#lock = lock;
    this.#holderFile = holderFile;
  }

  /** @throws `StateLocked` naming the holder */
  static acquire(statePath: string, command: string): StateLock {
    const holderFile = join(statePath, "lock-holder.json");
    const lock = ExclusiveLock.try(join(statePath, "lock.sqlite"));
    if (!lock) throw locked(statePath, readHolder(holderFile));
    const holder: LockHolder = { pid: process.pid, command, since: new Date().toISOString() };
    try {
      writeFileSync(holderFile, `${JSON.stringify(holder)}\n`, { mode: 0o600 });
    } catch (error) {
      lock[Symbol.dispose]();
      throw ioError(error, `writing ${holderFile}`);
    }
    return new StateLock(lock, holderFile);
  }

  [Symbol.dispose](): void {
    rmSync(this.#holderFile, { force: true });
    this.#lock[Symbol.dispose]();
  }
}

/** Who works on a state directory now; undefined: nobody, or it cannot be told. Takes no lock. */
export function lockHolder(statePath: string): LockHolder | undefined {
  const holder = readHolder(join(statePath, "lock-holder.json"));
  // One that was killed leaves its file.
  return holder && isAlive(holder.pid) ? holder : undefined;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errnoOf(error) === "EPERM";
  }
}

function readHolder(path: string): LockHolder | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(path, "utf8"));
    return isHolder(value) ? value : undefined;
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || error instanceof SyntaxError) return undefined;
    throw ioError(error, `reading ${path}`);
  }
}

function isHolder(value: unknown): value is LockHolder {
  return (
    typeof value === "object" && value !== null && "pid" in value && "command" in value && "since" in value
  );
}

function locked(statePath: string, holder: LockHolder | undefined): LuksmithError {
  const who = holder ? `process ${holder.pid} (${holder.command}, since ${holder.since})` : "another process";
  return new LuksmithError(
    "StateLocked",
    `${who} is working on ${statePath}; wait for it, or stop it, then try again`,
    {
      details: { statePath, holder },
      retryable: true,
    },
  );
}
