import { checkStateDirectory } from "../journal/state-directory.ts";
import { Inventory } from "../journal/inventory.ts";
import { Journal, type JournalListener } from "../journal/journal.ts";
import { StateDatabase } from "../journal/state-database.ts";
import { StateLock } from "../journal/state-lock.ts";
import type { HostConfig } from "../config/host-config.ts";
import type { OpContext } from "../image/op-context.ts";
import type { HostServices } from "./host-services.ts";
import type { ImportModule } from "./load-plugins.ts";
import type { RecoveryReport } from "./operations/recover.ts";

export interface OpenHostOptions {
  readonly importModule: ImportModule;
  /** Named in the refusal of a second writer. */
  readonly command: string;
  /** Ms to wait for another writer; default 0. */
  readonly waitMs?: number;
  /** Told of each durable step. */
  readonly onJournal?: JournalListener;
}

/**
 * A host opened for reading: what it has, without loading plugins until they are asked for. Creates nothing, takes no
 * lock, works while another process writes.
 */
export class ReadableHost implements AsyncDisposable {
  readonly config: HostConfig;
  readonly #importModule: ImportModule;
  readonly #database: StateDatabase | undefined;
  #services: Promise<HostServices> | undefined;

  protected constructor(config: HostConfig, importModule: ImportModule, database: StateDatabase | undefined) {
    this.config = config;
    this.#importModule = importModule;
    this.#database = database;
  }

  /** @throws `StateDirectoryUnsafe`, `JournalCorrupt` */
  static read(config: HostConfig, importModule: ImportModule): ReadableHost {
    const exists = checkStateDirectory(config.luksmith.state_path, { create: false });
    const database = exists ? StateDatabase.open(config.luksmith.state_path, "read") : undefined;
    return new ReadableHost(config, importModule, database);
  }

  /** Undefined: nothing was ever made on this host. */
  get inventory(): Inventory | undefined {
    return this.#database && new Inventory(this.#database);
  }

  /** The plugins, composed at the first call. */
  services(): Promise<HostServices> {
    this.#services ??= import("./host-services.ts").then(({ HostServices: services }) =>
      services.compose(this.config, this.#importModule),
    );
    return this.#services;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const services = await this.#services?.catch(() => undefined);
    await services?.[Symbol.asyncDispose]();
    this.#database?.[Symbol.dispose]();
  }
}

/** A host opened for writing: holds the lock, and has recovered what an earlier process left unfinished. */
export class WritableHost extends ReadableHost {
  readonly journal: Journal;
  readonly #inventory: Inventory;
  readonly #lock: StateLock;
  #recovery: RecoveryReport = { operations: [] };

  private constructor(
    config: HostConfig,
    options: OpenHostOptions,
    database: StateDatabase,
    lock: StateLock,
  ) {
    super(config, options.importModule, database);
    this.journal = new Journal(database, options.onJournal);
    this.#inventory = new Inventory(database);
    this.#lock = lock;
  }

  /** @throws `StateLocked`, `StateDirectoryUnsafe`, `JournalCorrupt`, `ConfigInvalid` */
  static async write(config: HostConfig, options: OpenHostOptions, ctx: OpContext): Promise<WritableHost> {
    const statePath = config.luksmith.state_path;
    checkStateDirectory(statePath, { create: true });
    const lock = StateLock.acquire(statePath, options.command, options.waitMs);
    let host: WritableHost | undefined;
    try {
      const database = StateDatabase.open(statePath, "write");
      if (!database) throw new Error("a database opened for writing exists");
      host = new WritableHost(config, options, database, lock);
      if (host.journal.unfinished().length > 0) {
        const { recover } = await import("./operations/recover.ts");
        host.#recovery = await recover(host, ctx);
      }
      return host;
    } catch (error) {
      if (host) await host[Symbol.asyncDispose]();
      else lock[Symbol.dispose]();
      throw error;
    }
  }

  override get inventory(): Inventory {
    return this.#inventory;
  }

  /** What had to be undone or finished when this host was opened. */
  get recovery(): RecoveryReport {
    return this.#recovery;
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await super[Symbol.asyncDispose]();
    this.#lock[Symbol.dispose]();
  }
}
