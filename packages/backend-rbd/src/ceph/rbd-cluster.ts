import { type CommandRunner, LuksmithError, type OpContext, throwIfCancelled } from "@luksmith/core";
import type { RbdOptions } from "../config.ts";
import { cephError, type CephFailure, connectError } from "./ceph-error.ts";
import { type Answer, LibrbdProcess } from "./librbd-process.ts";
import { Window, WINDOW_BYTES } from "./window.ts";

/** Beyond what Ceph itself is given to answer: a machine that does much else. */
const GRACE_MS = 20_000;

/** What is being done, for messages, and how long it may take. */
export interface Request {
  /** As a sentence's beginning: `growing disk of instance …` */
  readonly what: string;
  /** Default: what one request to an OSD may take, twice, and some grace. */
  readonly timeoutMs?: number;
}

interface Connection {
  readonly process: LibrbdProcess;
  readonly window: Window;
}

/**
 * The pool of a cluster, by a process of Python's librbd that is started at first use, started again when it ended, and ended
 * with this object. A request that was sent is waited for, also when its caller is cancelled: nothing may be going on any
 * more when it is undone.
 */
export class RbdCluster implements AsyncDisposable {
  /** For messages: `rbd:POOL`, `rbd:POOL/NAMESPACE`. */
  readonly label: string;
  readonly options: RbdOptions;
  readonly #commands: () => CommandRunner;
  #connection: Promise<Connection> | undefined;

  constructor(options: RbdOptions, commands: () => CommandRunner) {
    this.options = options;
    this.label = `rbd:${options.pool}${options.namespace ? `/${options.namespace}` : ""}`;
    this.#commands = commands;
  }

  /**
   * @throws `CephUnavailable`, `CephTimedOut`, `CephAccessDenied`, `CephPoolNotFound`, and what Ceph's errors become
   * (`ceph-error.ts`)
   */
  async call<T>(
    op: string,
    args: Readonly<Record<string, unknown>>,
    { what, timeoutMs = 2 * this.options.operationTimeoutMs + GRACE_MS }: Request,
    ctx: OpContext,
  ): Promise<T> {
    throwIfCancelled(ctx);
    const { process } = await this.#connected(ctx);
    const answer = await this.#within(process, process.call(op, args), timeoutMs, what);
    if ("result" in answer) return answer.result as T;
    throw await this.#understood(answer.error, what, ctx);
  }

  /** The memory that is shared with librbd's process; of one connection, as its open images are. */
  async window(ctx: OpContext): Promise<Window> {
    return (await this.#connected(ctx)).window;
  }

  /** How new images are laid out, for a request. */
  get newLayout(): Readonly<Record<string, unknown>> {
    const { dataPool, ...rest } = this.options.layout;
    return dataPool === undefined ? rest : { ...rest, dataPool };
  }

  /** Lets librbd's process end. The next call starts another. */
  async [Symbol.asyncDispose](): Promise<void> {
    const connection = await this.#connection?.catch(() => undefined);
    this.#connection = undefined;
    await connection?.process.close();
    await connection?.window[Symbol.asyncDispose]();
  }

  async #connected(ctx: OpContext): Promise<Connection> {
    const known = this.#connection;
    const connection = await known?.catch(() => undefined);
    if (connection && !connection.process.isGone) return connection;
    // Whoever comes first connects; the others wait for that.
    if (this.#connection === known) {
      connection?.window[Symbol.asyncDispose]().catch(() => undefined);
      this.#connection = this.#connect(ctx);
      this.#connection.catch(() => undefined);
    }
    return await (this.#connection ?? this.#connect(ctx));
  }

  async #connect(ctx: OpContext): Promise<Connection> {
    const { conf, user, pool, namespace, python, connectTimeoutMs, operationTimeoutMs, layout } =
      this.options;
    const window = await Window.open();
    try {
      const settings = {
        conf,
        user,
        pool,
        namespace,
        dataPool: layout.dataPool,
        windowBytes: WINDOW_BYTES,
        options: {
          client_mount_timeout: String(connectTimeoutMs / 1000),
          rados_mon_op_timeout: String(connectTimeoutMs / 1000),
          rados_osd_op_timeout: String(operationTimeoutMs / 1000),
          // What is written is not read again, and is on the OSDs when the write is answered.
          rbd_cache: "false",
          // Of the first kind: a snapshot that has clones cannot be unprotected, whoever tries at the same moment.
          rbd_default_clone_format: "1",
          // A process that may be one of many: no sockets and logs of its own.
          admin_socket: "",
          log_file: "",
          log_to_stderr: "false",
        },
      };
      const process = await LibrbdProcess.start(
        { python, settings, window: window.file.fd },
        this.#commands(),
        ctx,
      );
      const answer = await this.#within(
        process,
        process.connected(),
        connectTimeoutMs + GRACE_MS,
        "connecting",
      );
      if ("result" in answer) return { process, window };
      process.kill();
      throw connectError(answer.error, this.label);
    } catch (error) {
      await window[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** An answer that is not given in time: then the process is ended, since nothing else ends what it does. */
  async #within(
    process: LibrbdProcess,
    answer: Promise<Answer>,
    timeoutMs: number,
    what: string,
  ): Promise<Answer> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      process.kill();
      const message = `${what}: Ceph (${this.label}) did not answer within ${timeoutMs / 1000} s; look at "ceph -s", then try again`;
      reject(new LuksmithError("CephTimedOut", message));
    }, timeoutMs);
    try {
      return await Promise.race([answer, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** A cluster that takes no writes lets them wait until their time is over. */
  async #understood(failure: CephFailure, what: string, ctx: OpContext): Promise<LuksmithError> {
    if (failure.errno !== "ETIMEDOUT") return cephError(failure, what);
    const { process } = await this.#connected(ctx);
    const answer = await this.#within(process, process.call("full", {}), GRACE_MS, what).catch(
      () => undefined,
    );
    const full = answer && "result" in answer && (answer.result as { full: boolean }).full;
    return cephError(full ? { errno: "ENOSPC", message: "the cluster or the pool is full" } : failure, what);
  }
}
