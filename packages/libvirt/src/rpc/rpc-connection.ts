import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { cancelledError, type LuksmithError, type OpContext } from "@luksmith/core";
import { AbandonedCalls } from "./abandoned-calls.ts";
import { gone, notConnected, protocolError, stillAt, timedOut } from "./connection-errors.ts";
import {
  beginMessage,
  finishMessage,
  KEEPALIVE,
  KEEPALIVE_PROGRAM,
  type Message,
  MESSAGE_TYPE,
  MessageSplitter,
  REMOTE_PROGRAM,
  STATUS,
} from "./message.ts";
import { PROCEDURE, type Procedure } from "./procedures.ts";
import { readRemoteError, type RemoteError } from "./remote-error.ts";
import { XdrError, type XdrReader } from "./xdr-reader.ts";
import type { XdrWriter } from "./xdr-writer.ts";

/** What most calls take is a millisecond; what they may wait for is QEMU. */
const CALL_TIMEOUT_MS = 30_000;

export interface ConnectOptions {
  /** How long a call may take that says nothing else. Default 30 s. */
  readonly timeoutMs?: number;
}

export interface Call<T> {
  /** Writes the arguments. */
  readonly write?: (writer: XdrWriter) => unknown;
  /** Reads the answer. */
  readonly read: (reader: XdrReader) => T;
  /** Default: the connection's. */
  readonly timeoutMs?: number;
  /** The guest or secret that it changes: it waits for earlier calls on the same whose callers have given up. */
  readonly changes?: string;
  /** The arguments hold a secret: they are wiped once the system has them. */
  readonly secret?: boolean;
}

interface Pending {
  readonly settle: (message: Message) => void;
  readonly fail: (error: Error) => void;
}

export type EventListener = (body: XdrReader) => void;

/**
 * One connection to a libvirt daemon's socket. Calls may overlap; answers are told apart by their serial. When the
 * connection breaks, all calls under way fail with `LibvirtUnavailable` and later ones too: there is no reconnecting
 * here, since only a caller knows whether a call may be made twice.
 */
export class RpcConnection implements Disposable {
  readonly #socket: Socket;
  readonly #path: string;
  readonly timeoutMs: number;
  readonly #pending = new Map<number, Pending>();
  readonly #listeners = new Map<number, EventListener>();
  readonly #splitter = new MessageSplitter();
  readonly #abandoned = new AbandonedCalls();
  readonly #closed = Promise.withResolvers<Error | undefined>();
  #serial = 0;
  #broken: Error | undefined;

  private constructor(socket: Socket, path: string, { timeoutMs = CALL_TIMEOUT_MS }: ConnectOptions) {
    this.#socket = socket;
    this.#path = path;
    this.timeoutMs = timeoutMs;
    socket.on("data", (chunk) => this.#receive(chunk));
    socket.on("error", (error) => this.#break(this.#gone(error.message, error)));
    socket.on("close", () => this.#break(this.#gone("it closed the connection")));
  }

  /** @throws `LibvirtUnavailable`, `LibvirtAccessDenied`, `Cancelled` */
  static async connect(path: string, ctx: OpContext, options: ConnectOptions = {}): Promise<RpcConnection> {
    if (ctx.signal.aborted) throw cancelledError(ctx.signal.reason);
    const socket = connect(path);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const abort = () => reject(cancelledError(ctx.signal.reason));
    ctx.signal.addEventListener("abort", abort, { once: true });
    socket.once("connect", resolve);
    socket.once("error", (error) => reject(notConnected(path, error)));
    try {
      await promise;
      return new RpcConnection(socket, path, options);
    } catch (error) {
      socket.destroy();
      throw error;
    } finally {
      ctx.signal.removeEventListener("abort", abort);
    }
  }

  /** Fulfilled when the connection is over; with the reason, unless it was disposed. */
  get closed(): Promise<Error | undefined> {
    return this.#closed.promise;
  }

  /** Gets the body of each event of this kind; one listener for each. What it throws breaks the connection. */
  onEvent(procedure: Procedure, listener: EventListener): void {
    this.#listeners.set(PROCEDURE[procedure], listener);
  }

  /**
   * Makes a call and waits for its answer.
   * @throws RemoteError what libvirt answers
   * @throws `LibvirtTimedOut`, `Cancelled`: libvirt may still carry the call out
   * @throws `LibvirtUnavailable` when the connection is or gets broken, `LibvirtProtocolError`
   */
  async call<T>(procedure: Procedure, call: Call<T>, ctx: OpContext): Promise<T> {
    if (ctx.signal.aborted) throw cancelledError(ctx.signal.reason);
    if (call.changes !== undefined) await this.settled(call.changes, ctx);
    if (this.#broken) throw this.#broken;
    const serial = ++this.#serial;
    const header = {
      program: REMOTE_PROGRAM,
      procedure: PROCEDURE[procedure],
      type: MESSAGE_TYPE.call,
      serial,
    };
    const writer = beginMessage(header);
    let message: Message;
    try {
      call.write?.(writer);
      message = await this.#exchange(procedure, serial, writer, call, ctx);
    } catch (error) {
      if (call.secret === true) writer.done().fill(0);
      throw error;
    }
    return this.#understand(procedure, () => {
      if (message.status === STATUS.ok) return call.read(message.body);
      throw readRemoteError(message.body) satisfies RemoteError;
    });
  }

  /** Whether libvirt may still carry out a call on this guest or secret whose caller has given up. */
  isUnsettled(subject: string): boolean {
    return this.#abandoned.of(subject) !== undefined;
  }

  /**
   * Waits for libvirt's answers to calls on this guest or secret whose callers have given up.
   * @throws `LibvirtTimedOut`, `Cancelled`
   */
  async settled(subject: string, ctx: OpContext): Promise<void> {
    const answers = this.#abandoned.of(subject);
    if (!answers) return;
    using ending = new DisposableStack();
    const end = new AbortController();
    ending.defer(() => end.abort());
    const signal = AbortSignal.any([ctx.signal, end.signal]);
    const time = sleep(this.timeoutMs, "late", { signal }).catch(() => "cancelled");
    const outcome = await Promise.race([answers.then(() => "answered"), time]);
    if (outcome === "cancelled") throw cancelledError(ctx.signal.reason);
    if (outcome === "late") throw stillAt(subject, this.timeoutMs);
  }

  [Symbol.dispose](): void {
    this.#broken ??= this.#gone("the connection was closed here");
    this.#socket.destroy();
  }

  async #exchange(
    procedure: Procedure,
    serial: number,
    writer: XdrWriter,
    { timeoutMs = this.timeoutMs, secret = false, changes }: Call<unknown>,
    ctx: OpContext,
  ): Promise<Message> {
    const { promise, resolve, reject } = Promise.withResolvers<Message>();
    this.#pending.set(serial, { settle: resolve, fail: reject });
    const timer = setTimeout(() => reject(timedOut(procedure, timeoutMs)), timeoutMs);
    const abort = () => reject(cancelledError(ctx.signal.reason));
    ctx.signal.addEventListener("abort", abort, { once: true });
    const bytes = finishMessage(writer);
    this.#socket.write(bytes, () => void (secret && bytes.fill(0)));
    let answered = false;
    try {
      const message = await promise;
      answered = true;
      return message;
    } finally {
      clearTimeout(timer);
      ctx.signal.removeEventListener("abort", abort);
      // What an answer says that comes later is dropped.
      this.#pending.delete(serial);
      if (!answered && changes !== undefined && !this.#broken) this.#abandoned.add(serial, changes);
    }
  }

  #receive(chunk: Uint8Array): void {
    try {
      for (const message of this.#splitter.push(chunk)) this.#dispatch(message);
    } catch (error) {
      this.#break(protocolError(this.#path, error));
      this.#socket.destroy();
    }
  }

  #dispatch(message: Message): void {
    const { program, procedure, type, serial, body } = message;
    if (program === KEEPALIVE_PROGRAM) {
      if (procedure === KEEPALIVE.ping) this.#pong();
    } else if (program === REMOTE_PROGRAM && type === MESSAGE_TYPE.reply) {
      this.#abandoned.answered(serial);
      this.#pending.get(serial)?.settle(message);
    } else if (program === REMOTE_PROGRAM && type === MESSAGE_TYPE.message) {
      this.#listeners.get(procedure)?.(body);
    }
    // Other programs and streams are nothing that was asked for.
  }

  #pong(): void {
    const { message: type } = MESSAGE_TYPE;
    const pong = { program: KEEPALIVE_PROGRAM, procedure: KEEPALIVE.pong, type, serial: 0 };
    this.#socket.write(finishMessage(beginMessage(pong)));
  }

  #understand<T>(procedure: Procedure, read: () => T): T {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof XdrError)) throw error;
      throw protocolError(`${this.#path}, in answer to ${procedure}`, error);
    }
  }

  #break(error: Error): void {
    this.#closed.resolve(this.#broken ? undefined : error);
    this.#broken ??= error;
    this.#abandoned.forget();
    for (const { fail } of this.#pending.values()) fail(this.#broken);
  }

  #gone(why: string, cause?: Error): LuksmithError {
    return gone(this.#path, why, cause);
  }
}
