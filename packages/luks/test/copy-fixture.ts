import { randomUUID } from "node:crypto";
import { closeSync, mkdtempSync, openSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  createSectorCipher,
  formatContainer,
  GeneratedPassphrase,
  LuksEngine,
  type VolumeKey,
} from "../src/index.ts";

/** An engine and files to copy between; everything goes away with it. */
export class CopyFixture implements AsyncDisposable {
  readonly engine = new LuksEngine({ threads: 2 });
  readonly key = newKey();
  readonly directory = mkdtempSync(join(tmpdir(), "luks-copy-"));
  readonly #open: number[] = [];

  /** A file with this content, or with this many zeros, open for reading and writing. */
  file(content: Uint8Array | number): { path: string; fd: number } {
    const path = join(this.directory, `${this.#open.length}`);
    writeFileSync(path, typeof content === "number" ? "" : content);
    if (typeof content === "number") truncateSync(path, content);
    return { path, fd: this.open(path, "r+") };
  }

  /** Any path, such as a device. */
  open(path: string, flags: string): number {
    const fd = openSync(path, flags);
    this.#open.push(fd);
    return fd;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.engine[Symbol.asyncDispose]();
    for (const fd of this.#open) closeSync(fd);
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** The volume key of a container that nobody has. */
export function newKey(): VolumeKey {
  using passphrase = GeneratedPassphrase.create();
  return formatContainer({ uuid: randomUUID(), passphrase }).volumeKey;
}

/** What a container's payload must hold. */
export function sealed(key: VolumeKey, data: Uint8Array): Buffer {
  const whole = Buffer.alloc(Math.ceil(data.length / 512) * 512);
  whole.set(data);
  createSectorCipher(key).encrypt(whole, 0);
  return whole;
}
