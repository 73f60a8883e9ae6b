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
import { SecretFiles } from "./secret-files.ts";

/** The longest that every key manager takes, in characters. */
const NAME_CHARACTERS = 255;

/**
 * Where passphrases live: sealed files in a directory, until you change it.
 *
 * Errors keep their meaning apart, since hosts act on them: absent (`EphemeralEncryptionSecretNotFound`) may mean that a
 * disk is lost, away (`KeyManagerUnavailable`) never does.
 */
export class AcmeKeyManager implements KeyManager {
  readonly name = "acme";
  readonly #files: SecretFiles;

  constructor(directory: string) {
    this.#files = new SecretFiles(directory);
  }

  async create({ name, passphrase }: CreateSecret, ctx: OpContext): Promise<SecretRef> {
    throwIfCancelled(ctx);
    requireName(name);
    const info = { id: randomUUID(), name, createdAt: new Date().toISOString() };
    await passphrase.use((bytes) => this.#files.write(info, bytes));
    ctx.log.debug({ secretId: info.id, name }, "stored a secret");
    return { id: info.id };
  }

  async get({ id }: SecretRef, ctx: OpContext): Promise<Passphrase> {
    throwIfCancelled(ctx);
    const plain = await this.#files.read(id);
    if (plain) return Passphrase.take(plain);
    throw new LuksmithError(
      "EphemeralEncryptionSecretNotFound",
      `there is no secret ${id} in ${this.#files.directory}; it was deleted, or another key manager has it`,
      { details: { id } },
    );
  }

  /** Idempotent: what is not there is success. */
  async delete({ id }: SecretRef, ctx: OpContext): Promise<void> {
    throwIfCancelled(ctx);
    await this.#files.remove(id);
    ctx.log.debug({ secretId: id }, "deleted a secret");
  }

  /** Recovery finds a secret by its name when the answer to `create` was lost. */
  async *list({ name }: SecretFilter, ctx: OpContext): AsyncIterable<SecretInfo> {
    throwIfCancelled(ctx);
    for await (const info of this.#files.list()) {
      if (name === undefined || name === info.name) yield info;
    }
  }

  async close(): Promise<void> {
    this.#files.close();
  }
}

function requireName(name: string): void {
  if (name !== "" && name.length <= NAME_CHARACTERS && name.isWellFormed()) return;
  throw new LuksmithError(
    "InvalidRequest",
    `a secret's name is 1 to ${NAME_CHARACTERS} characters of well-formed text`,
    { details: { length: name.length, maybeDone: false } },
  );
}
