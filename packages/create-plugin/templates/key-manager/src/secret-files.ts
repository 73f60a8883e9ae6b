import { randomUUID } from "node:crypto";
import { link, mkdir, open, readdir, readFile, unlink } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, ioError, LuksmithError, type SecretInfo, syncDirectory } from "@luksmith/core";
import { seal, unseal } from "./seal.ts";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const KEY_BYTES = 32;

/**
 * One file for each secret: a line of JSON with its public side, then what was sealed, bound to that line. The key is a
 * file beside them: whoever can read both can read all. Replace this class by your service.
 */
export class SecretFiles {
  readonly directory: string;
  #key: Promise<Buffer> | undefined;

  constructor(directory: string) {
    this.directory = directory;
  }

  /** Durable when it resolves. */
  async write(info: SecretInfo, plain: Uint8Array): Promise<void> {
    const copy = Uint8Array.from(plain);
    try {
      const line = JSON.stringify(info);
      const sealed = seal(await this.#getKey(), copy, line);
      await this.#publish(info.id, Buffer.concat([Buffer.from(`${line}\n`), sealed]));
    } catch (error) {
      throw ioError(error, `storing the secret ${info.id}`);
    } finally {
      copy.fill(0);
    }
  }

  /** The caller wipes what it gets. @throws `SecretTampered` */
  async read(id: string): Promise<Uint8Array | undefined> {
    const found = await this.#load(id);
    if (!found) return undefined;
    const plain = unseal(await this.#getKey(), found.sealed, found.line);
    if (plain && found.info.id === id) return plain;
    throw this.#tampered(id);
  }

  async remove(id: string): Promise<void> {
    if (!UUID.test(id)) return;
    try {
      await unlink(join(this.directory, id));
      await syncDirectory(this.directory);
    } catch (error) {
      if (errnoOf(error) !== "ENOENT") throw ioError(error, `deleting the secret ${id}`);
    }
  }

  async *list(): AsyncIterable<SecretInfo> {
    const names = await readdir(this.directory).catch((error: unknown) => {
      if (errnoOf(error) === "ENOENT") return [];
      throw ioError(error, `listing the secrets in ${this.directory}`);
    });
    for (const name of names) {
      const found = await this.#load(name);
      // Deleted meanwhile, or none of ours.
      if (found) yield found.info;
    }
  }

  close(): void {
    void this.#key?.then((key) => key.fill(0)).catch(() => {});
    this.#key = Promise.reject(
      new LuksmithError("KeyManagerUnavailable", "the key manager acme was closed", { retryable: false }),
    );
    this.#key.catch(() => {});
  }

  async #load(id: string): Promise<{ info: SecretInfo; line: string; sealed: Uint8Array } | undefined> {
    // Also keeps out names like "../key".
    if (!UUID.test(id)) return undefined;
    try {
      const bytes = await readFile(join(this.directory, id));
      const end = bytes.indexOf("\n");
      const line = bytes.toString("utf8", 0, end);
      return { info: JSON.parse(line) as SecretInfo, line, sealed: bytes.subarray(end + 1) };
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return undefined;
      if (error instanceof SyntaxError) throw this.#tampered(id);
      throw ioError(error, `reading the secret ${id}`);
    }
  }

  #tampered(id: string): LuksmithError {
    return new LuksmithError(
      "SecretTampered",
      `the secret ${id} in ${this.directory} was altered, or sealed with another key; restore both from one backup`,
      { details: { id } },
    );
  }

  /** Made at first use; of several at once, the first one's stands. */
  #getKey(): Promise<Buffer> {
    return (this.#key ??= this.#openKey().catch((error: unknown) => {
      this.#key = undefined;
      throw error;
    }));
  }

  async #openKey(): Promise<Buffer> {
    await mkdir(this.directory, { recursive: true, mode: 0o700 });
    const path = join(this.directory, "key");
    const read = (): Promise<Buffer | undefined> =>
      readFile(path).catch((error: unknown) => {
        if (errnoOf(error) === "ENOENT") return undefined;
        throw error;
      });
    let key = await read();
    if (!key) {
      const made = crypto.getRandomValues(new Uint8Array(KEY_BYTES));
      await this.#publish("key", made).catch((error: unknown) => {
        if (errnoOf(error) !== "EEXIST") throw error;
      });
      key = await read();
    }
    if (key?.length === KEY_BYTES) return key;
    throw new LuksmithError("KeyStoreUnsafe", `${path} is no key of ${KEY_BYTES} bytes; restore it`);
  }

  /** Under a name that nobody has: `rename` would write over another, `link` does not. */
  async #publish(name: string, bytes: Uint8Array): Promise<void> {
    const temporary = join(this.directory, `.${name}.${randomUUID()}`);
    try {
      await using file = await open(temporary, "wx", 0o600);
      await file.writeFile(bytes);
      await file.datasync();
      await link(temporary, join(this.directory, name));
    } finally {
      await unlink(temporary);
    }
    await syncDirectory(this.directory);
  }
}
