import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { GeneratedPassphrase, type SecretRef } from "@luksmith/core";
import { testContext } from "@luksmith/testkit";
import { onTestFinished } from "vitest";
import { LocalKeyManager, type LocalKeyManagerOptions } from "../src/index.ts";

/** A state directory of the running test's own, gone when the test ends. */
export function temporaryStore(): TemporaryStore {
  const store = new TemporaryStore();
  onTestFinished(() => store.remove());
  return store;
}

/** A state directory with as many key managers on it as a test opens. */
export class TemporaryStore {
  readonly root = mkdtempSync(join(tmpdir(), "luksmith-keymgr-"));
  readonly statePath = join(this.root, "state");
  readonly keyFile = join(this.statePath, "key-encryption-key");
  readonly databaseFile = join(this.statePath, "keys.sqlite");
  readonly #opened: LocalKeyManager[] = [];

  open(options: Partial<LocalKeyManagerOptions> = {}): LocalKeyManager {
    const keyManager = new LocalKeyManager({ statePath: this.statePath, busyTimeoutMs: 1000, ...options });
    this.#opened.push(keyManager);
    return keyManager;
  }

  /** Stores one new passphrase and closes again. */
  async seed(name = "seeded"): Promise<SecretRef> {
    const keyManager = this.open();
    const ref = await put(keyManager, name);
    await keyManager.close();
    return ref;
  }

  /** Runs SQL behind the key manager's back. */
  sql(text: string): void {
    const database = new DatabaseSync(this.databaseFile);
    try {
      database.exec(text);
    } finally {
      database.close();
    }
  }

  /** Every file in the state directory, by name. */
  files(): Record<string, Buffer> {
    const names = readdirSync(this.statePath);
    return Object.fromEntries(names.map((name) => [name, readFileSync(join(this.statePath, name))]));
  }

  async remove(): Promise<void> {
    for (const keyManager of this.#opened) await keyManager.close();
    rmSync(this.root, { recursive: true, force: true });
  }
}

export async function put(keyManager: LocalKeyManager, name = "a disk"): Promise<SecretRef> {
  using passphrase = GeneratedPassphrase.create();
  return await keyManager.create({ name, passphrase }, testContext());
}

/** Reads a secret and forgets it; its length. */
export async function read(keyManager: LocalKeyManager, ref: SecretRef): Promise<number> {
  using passphrase = await keyManager.get(ref, testContext());
  return passphrase.length;
}
