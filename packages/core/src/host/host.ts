import type { AuditLog } from "../audit/audit-log.ts";
import type { KeyAudit } from "../audit/audited-keys.ts";
import { type AuditHead, readHead, readPending } from "../audit/audit-state.ts";
import type { PendingLine } from "../audit/segment-file.ts";
import { openBesideWriter } from "../audit/audit-database.ts";
import { hostAuditLog, keyAudit } from "../audit/host-audit.ts";
import { OperationAudit } from "../audit/operation-audit.ts";
import { LuksmithError } from "../errors/luksmith-error.ts";
import { checkStateDirectory } from "../journal/state-directory.ts";
import { Inventory } from "../journal/inventory.ts";
import type { Moving } from "../journal/guests.ts";
import { Journal, type JournalListener, type OpenOperation } from "../journal/journal.ts";
import { StateDatabase } from "../journal/state-database.ts";
import { StateLock } from "../journal/state-lock.ts";
import type { HostConfig } from "../config/host-config.ts";
import type { OpContext } from "../image/op-context.ts";
import type { KeyManagerListener } from "../key-manager/observed-keys.ts";
import { type Logger, silentLogger } from "../log/logger.ts";
import type { HostServices } from "./host-services.ts";
import type { ImportModule } from "./plugins/load-plugins.ts";
import type { RecoveryReport } from "./operations/recover.ts";
import { KeptAnswers } from "./tasks/kept-answers.ts";

export interface OpenHostOptions {
  readonly importModule: ImportModule;
  /** Named in the refusal of a second writer. */
  readonly command: string;
  /** Told of each durable step. */
  readonly onJournal?: JournalListener;
  /** Told of each call of the key manager. */
  readonly onKeyManager?: KeyManagerListener;
}

/**
 * A host opened for reading: what it has, without loading plugins until they are asked for. Creates nothing, takes no
 * lock, works while another process writes.
 */
export class ReadableHost implements AsyncDisposable {
  readonly config: HostConfig;
  readonly #importModule: ImportModule;
  readonly #database: StateDatabase | undefined;
  readonly #onKeyManager: KeyManagerListener | undefined;
  readonly #log: Logger;
  #services: Promise<HostServices> | undefined;
  #auditDatabase: StateDatabase | undefined;

  protected constructor(
    config: HostConfig,
    options: Pick<OpenHostOptions, "importModule" | "onKeyManager">,
    database: StateDatabase | undefined,
    log: Logger,
  ) {
    this.config = config;
    this.#log = log;
    this.#importModule = options.importModule;
    this.#onKeyManager = options.onKeyManager;
    this.#database = database;
  }

  /** @throws `StateDirectoryUnsafe`, `JournalCorrupt` */
  static read(config: HostConfig, importModule: ImportModule, log = silentLogger): ReadableHost {
    const exists = checkStateDirectory(config.luksmith.state_path, { create: false });
    const database = exists ? StateDatabase.open(config.luksmith.state_path, "read") : undefined;
    return new ReadableHost(config, { importModule }, database, log);
  }

  /** Where the audit log ends; undefined: it never began. */
  get auditState(): { readonly head: AuditHead; readonly pending: readonly PendingLine[] } | undefined {
    // In this order: what is pending by then is in the file otherwise.
    const head = this.#database && readHead(this.#database);
    return head && this.#database && { head, pending: readPending(this.#database) };
  }

  /** Plugins alone, for a host whose state cannot be read: it seems to have nothing. */
  static withoutState(config: HostConfig, importModule: ImportModule): ReadableHost {
    return new ReadableHost(config, { importModule }, undefined, silentLogger);
  }

  /** Undefined: nothing was ever made on this host. */
  get inventory(): Inventory | undefined {
    return this.#database && new Inventory(this.#database);
  }

  /** The plugins, composed at the first call. */
  services(): Promise<HostServices> {
    this.#services ??= import("./host-services.ts").then(({ HostServices: services }) =>
      services.compose(this.config, this.#importModule, this.keyAudit(), this.#onKeyManager),
    );
    return this.#services;
  }

  /** Whom the use of keys is told. A host that is only looked at opens its database for that when it happens. */
  protected keyAudit(): KeyAudit {
    const database = (): StateDatabase =>
      (this.#auditDatabase ??= openBesideWriter(this.config.luksmith.state_path));
    return keyAudit(hostAuditLog(this.config, database, this.#log), database);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const services = await this.#services?.catch(() => undefined);
    await services?.[Symbol.asyncDispose]();
    this.#auditDatabase?.[Symbol.dispose]();
    this.#database?.[Symbol.dispose]();
  }
}

interface ClaimOptions {
  readonly moving?: boolean;
  readonly reencrypting?: boolean;
}

/** A host opened for writing: holds the lock, and has recovered what an earlier process left unfinished. */
export class WritableHost extends ReadableHost {
  readonly journal: Journal;
  /** What was answered to requests that came with an idempotency key. */
  readonly answers: KeptAnswers;
  readonly #inventory: Inventory;
  readonly #lock: StateLock;
  readonly #audit: AuditLog;
  readonly #writable: StateDatabase;
  readonly #claimed = new Set<string>();
  #recovery: RecoveryReport = { operations: [] };

  private constructor(
    config: HostConfig,
    options: OpenHostOptions,
    database: StateDatabase,
    lock: StateLock,
    log: Logger,
  ) {
    super(config, options, database, log);
    this.#writable = database;
    this.#audit = hostAuditLog(config, () => database, log);
    this.journal = new Journal(
      database,
      options.onJournal,
      undefined,
      new OperationAudit(database, this.#audit),
    );
    this.answers = new KeptAnswers(database);
    this.#inventory = new Inventory(database);
    this.#lock = lock;
  }

  /** @throws `StateLocked`, `StateDirectoryUnsafe`, `JournalCorrupt`, `ConfigInvalid` */
  static async write(config: HostConfig, options: OpenHostOptions, ctx: OpContext): Promise<WritableHost> {
    const statePath = config.luksmith.state_path;
    checkStateDirectory(statePath, { create: true });
    const lock = StateLock.acquire(statePath, options.command);
    let host: WritableHost | undefined;
    try {
      const database = StateDatabase.open(statePath, "write");
      if (!database) throw new Error("a database opened for writing exists");
      host = new WritableHost(config, options, database, lock, ctx.log);
      // What an earlier process could not write any more.
      host.#audit.settle();
      await host.recover(ctx);
      return host;
    } catch (error) {
      if (host) await host[Symbol.asyncDispose]();
      else lock[Symbol.dispose]();
      throw error;
    }
  }

  /**
   * Reserves an instance or snapshot for one operation. Dispose when it has ended.
   * @param taken unfinished operations whose work the new one takes over
   * @param options `moving`: also one that is on its way between two hosts; `reencrypting`: also one with a disk that is being
   * copied into a new one
   * @throws `InstanceBusy`: another operation on it is running; `RecoveryIncomplete`: its last one has not ended, and
   * recovery, which tried when the host was opened, could not end it
   */
  claim(
    uuid: string,
    taken: readonly OpenOperation[] = [],
    { moving = false, reencrypting = false }: ClaimOptions = {},
  ): Disposable {
    if (this.#claimed.has(uuid)) {
      throw new LuksmithError(
        "InstanceBusy",
        `another operation on ${uuid} is running; wait for it, then try again`,
        {
          details: { subject: uuid },
          retryable: true,
        },
      );
    }
    const open = this.journal
      .unfinished()
      .find(({ subject, id }) => subject === uuid && !taken.some((each) => each.id === id));
    if (open) throw notRecovered(open, this.#recovery);
    const way = this.#inventory.guests.find(uuid)?.moving ?? false;
    if (!moving && way !== false) throw isMoving(uuid, way);
    if (!reencrypting && this.#inventory.reencryptions.of(uuid).length > 0) throw isReencrypting(uuid);
    return this.#reserve(uuid);
  }

  /** As `claim`, for who ends what is unfinished. Undefined: an operation on it is running. */
  takeOver(uuid: string): Disposable | undefined {
    return this.#claimed.has(uuid) ? undefined : this.#reserve(uuid);
  }

  #reserve(uuid: string): Disposable {
    this.#claimed.add(uuid);
    return { [Symbol.dispose]: () => void this.#claimed.delete(uuid) };
  }

  /**
   * Ends what was left unfinished, also by operations of this process that could not take back what they began.
   * @param of only what is of this instance or snapshot
   */
  async recover(ctx: OpContext, of?: string): Promise<RecoveryReport> {
    const unfinished = this.journal.unfinished().filter(({ subject }) => of === undefined || of === subject);
    if (unfinished.length === 0) return { operations: [] };
    const { recover } = await import("./operations/recover.ts");
    this.#recovery = await recover(this, ctx, of);
    return this.#recovery;
  }

  override get inventory(): Inventory {
    return this.#inventory;
  }

  protected override keyAudit(): KeyAudit {
    return keyAudit(this.#audit, () => this.#writable);
  }

  /** What had to be undone or finished the last time that this was looked for: when this host was opened, at least. */
  get recovery(): RecoveryReport {
    return this.#recovery;
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await super[Symbol.asyncDispose]();
    this.#lock[Symbol.dispose]();
  }
}

/** What ends each way. */
const ON_ITS_WAY: Readonly<Record<Moving, (uuid: string) => string>> = {
  offered: (uuid) =>
    `was offered to another host: "luksmith move confirm ${uuid}" removes it here, "luksmith move revert ${uuid}" takes it back`,
  leaving: (uuid) =>
    `was offered to another host: "luksmith move send ${uuid}" sends it there, "luksmith move revert ${uuid}" takes it back`,
  sending: (uuid) =>
    `was being sent to another host: "luksmith move revert ${uuid}" takes it back if it runs here, "luksmith move confirm ${uuid}" removes it here if it runs there`,
  sent: (uuid) => `runs on another host: "luksmith move confirm ${uuid}" removes it here`,
  arriving: (uuid) =>
    `is expected from another host: "luksmith move settle ${uuid}" when it has come, "luksmith move dismiss ${uuid}" if it will not`,
};

export function isMoving(uuid: string, way: Moving): LuksmithError {
  return new LuksmithError("InstanceBusy", `instance ${uuid} ${ON_ITS_WAY[way](uuid)}`, {
    details: { subject: uuid },
  });
}

function notRecovered(open: OpenOperation, recovery: RecoveryReport): LuksmithError {
  const { error: why, retryable = false } =
    recovery.operations.find(({ operation }) => operation === open.id) ?? {};
  return new LuksmithError(
    "RecoveryIncomplete",
    `the ${open.kind} of ${open.subject} that began ${open.startedAt} could not be ended yet${why ? `: ${why}` : ""}; mend that, then run "luksmith recover"`,
    { details: { subject: open.subject, operation: open.id, kind: open.kind }, retryable },
  );
}

function isReencrypting(uuid: string): LuksmithError {
  return new LuksmithError(
    "InstanceBusy",
    `a disk of instance ${uuid} is half copied into another one: "luksmith rekey ${uuid} --volume-key" goes on ("luksmith legacy migrate ${uuid}" for plain dm-crypt), with --abandon it takes the copy away`,
    { details: { subject: uuid } },
  );
}
