import { join } from "node:path";
import { LuksmithError, type OpContext, throwIfCancelled } from "@luksmith/core";
import { openStore, storePath, type StorePlaces } from "./open-store.ts";
import type { SecretStore } from "./secret-store.ts";
import { storeError } from "./store-error.ts";

/** All paths are absolute. */
export interface StoreOptions {
  /** The directory of the store; made (0700) if its parent exists. */
  readonly statePath: string;
  /** The key-encryption key's file; `key-encryption-key` in the state directory by default. */
  readonly keyFile?: string | undefined;
  /** systemd's `$CREDENTIALS_DIRECTORY`; a key in it goes before the key file. */
  readonly credentialsDirectory?: string | undefined;
  /** How long to wait for another process that writes; 5000 by default. */
  readonly busyTimeoutMs?: number | undefined;
}

/** A store that opens at first use; one that could not be opened is tried again by the next call. */
export class StoreDoor {
  readonly #places: StorePlaces;
  readonly #what: string;
  #store: SecretStore | undefined;
  #closed = false;

  /** @param what for people: `local key manager` */
  constructor(options: StoreOptions, fileName: StorePlaces["fileName"], what: string) {
    this.#what = what;
    this.#places = {
      fileName,
      statePath: options.statePath,
      keyFile: options.keyFile ?? join(options.statePath, "key-encryption-key"),
      credentialsDirectory: options.credentialsDirectory,
      busyTimeoutMs: options.busyTimeoutMs ?? 5000,
    };
  }

  get path(): string {
    return storePath(this.#places);
  }

  run<T>(ctx: OpContext, act: (store: SecretStore) => T): T {
    throwIfCancelled(ctx);
    if (this.#closed) {
      throw new LuksmithError("KeyManagerUnavailable", `the ${this.#what} was closed`, { retryable: false });
    }
    try {
      this.#store ??= openStore(this.#places, ctx);
      return act(this.#store);
    } catch (error) {
      throw storeError(error, this.path);
    }
  }

  /** Wipes the key. Idempotent; `run` fails afterwards. */
  close(): void {
    this.#closed = true;
    this.#store?.close();
    this.#store = undefined;
  }
}
