import { XdrError, XdrReader } from "./xdr-reader.ts";
import { XdrWriter } from "./xdr-writer.ts";

export const REMOTE_PROGRAM = 0x2000_8086;
/** "keep" */
export const KEEPALIVE_PROGRAM = 0x6b65_6570;
export const PROTOCOL_VERSION = 1;

export const MESSAGE_TYPE = { call: 0, reply: 1, message: 2 } as const;
export const STATUS = { ok: 0, error: 1 } as const;
export const KEEPALIVE = { ping: 1, pong: 2 } as const;

/** The length itself and six words. */
const HEADER_BYTES = 28;
/** libvirt's own bound on a whole message. */
export const MAX_MESSAGE_BYTES = 32 * 1024 * 1024;

export interface MessageHeader {
  readonly program: number;
  readonly version: number;
  readonly procedure: number;
  readonly type: number;
  readonly serial: number;
  readonly status: number;
}

export interface Message extends MessageHeader {
  readonly body: XdrReader;
}

/** Begins a message; `finishMessage` completes it when the body was written behind. */
export function beginMessage(header: Omit<MessageHeader, "version" | "status">): XdrWriter {
  const { program, procedure, type, serial } = header;
  const writer = new XdrWriter().uint(0).uint(program).uint(PROTOCOL_VERSION);
  return writer.int(procedure).uint(type).uint(serial).uint(STATUS.ok);
}

/** Sets the length; the bytes are the writer's own. */
export function finishMessage(writer: XdrWriter): Buffer {
  const bytes = writer.done();
  bytes.writeUInt32BE(bytes.length, 0);
  return bytes;
}

/** Cuts a stream of bytes into messages. Keeps no more than one unfinished message, of bounded length. */
export class MessageSplitter {
  readonly #maxBytes: number;
  #chunks: Uint8Array[] = [];
  #held = 0;
  /** Bytes of the message under way, once its first word is there. */
  #wanted: number | undefined;

  constructor(maxBytes = MAX_MESSAGE_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /**
   * Takes what was received; gives the messages that it completes.
   * @throws XdrError for a length that no message has; nothing after it can be understood
   */
  *push(chunk: Uint8Array): Generator<Message> {
    this.#chunks.push(chunk);
    this.#held += chunk.length;
    for (;;) {
      this.#wanted ??= this.#held >= 4 ? this.#length() : undefined;
      if (this.#wanted === undefined || this.#held < this.#wanted) return;
      const bytes = this.#take(this.#wanted);
      this.#wanted = undefined;
      yield parseMessage(bytes);
    }
  }

  #length(): number {
    const all = this.#join();
    const length = new XdrReader(all).uint();
    if (length < HEADER_BYTES || length > this.#maxBytes) {
      throw new XdrError(`a message of ${length} bytes, where ${HEADER_BYTES} to ${this.#maxBytes} may be`);
    }
    return length;
  }

  #take(length: number): Uint8Array {
    const all = this.#join();
    const rest = all.subarray(length);
    this.#chunks = rest.length > 0 ? [rest] : [];
    this.#held = rest.length;
    return all.subarray(0, length);
  }

  #join(): Uint8Array {
    const [only] = this.#chunks;
    const all = this.#chunks.length === 1 && only ? only : Buffer.concat(this.#chunks);
    this.#chunks = [all];
    return all;
  }
}

function parseMessage(bytes: Uint8Array): Message {
  const body = new XdrReader(bytes);
  body.uint();
  const [program, version] = [body.uint(), body.uint()];
  const [procedure, type, serial, status] = [body.int(), body.uint(), body.uint(), body.uint()];
  return { program, version, procedure, type, serial, status, body };
}
