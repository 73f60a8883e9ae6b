import { AsyncLocalStorage } from "node:async_hooks";
import fsSync from "node:fs";
import fs, { type FileHandle } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { DatabaseSync, StatementSync } from "node:sqlite";

/**
 * One process's life, as far as the world can tell, inside this process: up to a chosen instant everything works, and
 * from then on nothing that it does has any effect. What is left of it waits for ever and is collected. A killed child
 * process is the real thing (`child/`), and twenty times slower: this is for very many of them.
 */
export class Life {
  readonly passed: string[] = [];
  readonly died: Promise<undefined>;
  #dead = false;
  /** Files that it has opened. */
  readonly #files = new Set<FileHandle>();
  readonly #killAt: number;
  readonly #end: (nothing: undefined) => void;

  /** @param killAt dies at the n-th instant */
  constructor(killAt = Infinity) {
    this.#killAt = killAt;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.died = promise;
    this.#end = resolve;
  }

  get isDead(): boolean {
    return this.#dead;
  }

  pass(name: string): void {
    if (this.#dead) return;
    this.passed.push(name);
    if (this.passed.length < this.#killAt) return;
    this.#dead = true;
    this.#end(undefined);
  }

  opened(file: FileHandle): void {
    this.#files.add(file);
  }

  /** As the kernel does when a process has ended. */
  async closeFiles(): Promise<void> {
    for (const file of this.#files) if (file.fd >= 0) await file.close();
  }

  /** Does work in this life; undefined when it did not survive it. */
  async live<T>(work: () => Promise<T>): Promise<{ readonly result: T } | undefined> {
    const outcome = lives.run(this, work).then(
      (result) => ({ result }),
      (error: unknown) => {
        // What a dead process throws is not heard.
        if (this.#dead) return undefined;
        throw error;
      },
    );
    outcome.catch(() => undefined);
    return await Promise.race([outcome, this.died]);
  }
}

const lives = new AsyncLocalStorage<Life>();

/** The life in which this is called. */
export function thisLife(): Life | undefined {
  return lives.getStore();
}

function never(): Promise<never> {
  return new Promise(() => {});
}

/** A service whose methods do nothing for the dead, and whose changes are instants. */
export function mortal<T extends object>(service: T, changes: readonly string[], what: string): T {
  return new Proxy(service, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      if (typeof name !== "string") return value.bind(target) as unknown;
      return (...args: readonly unknown[]): unknown => {
        const life = thisLife();
        if (life?.isDead) return never();
        const result: unknown = value.apply(target, args);
        if (!life || !(result instanceof Promise) || !changes.includes(name)) return result;
        return result.then((answer: unknown) => {
          life.pass(`${what}: ${name}`);
          return answer;
        });
      };
    },
  });
}

const NAMES = ["link", "unlink", "mkdir", "rmdir"] as const;
const WRITES = ["write", "writev", "writeFile", "truncate", "datasync", "sync"] as const;
type Call = (this: unknown, ...args: unknown[]) => unknown;

/** Makes files and databases know of lives. To be called once in a process; there is no way back. */
export async function watchLives(): Promise<void> {
  for (const name of NAMES) {
    const later = fs[name] as Call;
    Object.assign(fs, { [name]: asynchronous(later, name) });
    const sync = `${name}Sync` as const;
    Object.assign(fsSync, { [sync]: synchronous(fsSync[sync] as Call, name) });
  }
  const open = asynchronous(fs.open as Call);
  const opening = async (...args: unknown[]): Promise<FileHandle> => {
    const file = (await open(...args)) as FileHandle;
    thisLife()?.opened(file);
    return file;
  };
  Object.assign(fs, { open: opening });
  syncBuiltinESMExports();
  await using file = await fs.open("/dev/null");
  const handle = Object.getPrototypeOf(file) as Record<string, Call>;
  for (const name of WRITES) {
    const original = handle[name];
    if (original) handle[name] = asynchronous(original, name === "truncate" ? name : undefined);
  }
  const statement = StatementSync.prototype as unknown as Record<string, Call>;
  const database = DatabaseSync.prototype as unknown as Record<string, Call>;
  if (statement["run"]) statement["run"] = synchronous(statement["run"]);
  if (database["exec"]) database["exec"] = synchronous(database["exec"]);
}

function asynchronous(original: Call, instant?: string): Call {
  return async function (this: unknown, ...args: unknown[]) {
    const life = thisLife();
    if (life?.isDead) return await never();
    const result = await (original.apply(this, args) as Promise<unknown>);
    if (instant) life?.pass(instant);
    return result;
  };
}

function synchronous(original: Call, instant?: string): Call {
  return function (this: unknown, ...args: unknown[]) {
    const life = thisLife();
    if (life?.isDead) throw new Error("the dead do nothing");
    const result = original.apply(this, args);
    if (instant) life?.pass(instant);
    return result;
  };
}
