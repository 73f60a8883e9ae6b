import { randomUUID } from "node:crypto";
import {
  type CreateSecret,
  type KeyManager,
  LuksmithError,
  type OpContext,
  Passphrase,
  type SecretFilter,
  type SecretInfo,
  type SecretRef,
  throwIfCancelled,
} from "@luksmith/core";

interface Entry {
  readonly info: SecretInfo;
  readonly passphrase: Passphrase;
}

/** A key manager for tests of other things: keeps the contract, forgets everything with the object. */
export class InMemoryKeyManager implements KeyManager {
  readonly name: string = "in-memory";
  readonly #entries = new Map<string, Entry>();

  /** How many secrets it holds. */
  get size(): number {
    return this.#entries.size;
  }

  async create(request: CreateSecret, ctx: OpContext): Promise<SecretRef> {
    throwIfCancelled(ctx);
    const info = { id: randomUUID(), name: request.name, createdAt: new Date().toISOString() };
    this.#entries.set(info.id, { info, passphrase: copyOf(request.passphrase) });
    return { id: info.id };
  }

  async get(ref: SecretRef, ctx: OpContext): Promise<Passphrase> {
    throwIfCancelled(ctx);
    const entry = this.#entries.get(ref.id);
    if (entry !== undefined) return copyOf(entry.passphrase);
    throw new LuksmithError("EphemeralEncryptionSecretNotFound", `there is no secret ${ref.id} in memory`, {
      details: { id: ref.id },
    });
  }

  async delete(ref: SecretRef, ctx: OpContext): Promise<void> {
    throwIfCancelled(ctx);
    this.#entries.get(ref.id)?.passphrase[Symbol.dispose]();
    this.#entries.delete(ref.id);
  }

  async *list(filter: SecretFilter, ctx: OpContext): AsyncIterable<SecretInfo> {
    throwIfCancelled(ctx);
    for (const { info } of this.#entries.values()) {
      if (filter.name === undefined || filter.name === info.name) yield info;
    }
  }

  async close(): Promise<void> {
    for (const { passphrase } of this.#entries.values()) passphrase[Symbol.dispose]();
    this.#entries.clear();
  }
}

function copyOf(passphrase: Passphrase): Passphrase {
  return passphrase.use((bytes) => new Passphrase(bytes));
}
