import { lstatSync } from "node:fs";
import { dirname, join } from "node:path";
import { LuksmithError, type OpContext } from "@luksmith/core";
import { fileExists, sweepTemporaries, syncDirectory } from "./durable-file.ts";
import {
  createKey,
  type KeyEncryptionKey,
  type KeyPlaces,
  readKey,
  settleKey,
} from "./key-encryption-key.ts";
import { checkPrivateFile, preparePrivateDirectory } from "./private-path.ts";
import { SecretStore } from "./secret-store.ts";
import { damagedStore } from "./store-error.ts";
import { countSecrets, createStoreFile, openStoreFile } from "./store-file.ts";

/** Where the store is and how it is opened. All paths are absolute. */
export interface StorePlaces extends KeyPlaces {
  /** The store's directory; made (0700) if its parent exists. */
  readonly statePath: string;
  /** The store's name in it. */
  readonly fileName: "keys.sqlite" | "host-copies.sqlite";
  /** How long to wait, with the event loop blocked, for another process that writes. */
  readonly busyTimeoutMs: number;
}

/** The database's path. */
export function storePath(places: Pick<StorePlaces, "statePath" | "fileName">): string {
  return join(places.statePath, places.fileName);
}

/**
 * Opens the store, or makes key and store where there is neither. The key is durable before a store exists, so a store
 * without a key is never ours half made, and a key without a store is one that a killed process left.
 */
export function openStore(places: StorePlaces, ctx: OpContext): SecretStore {
  const path = storePath(places);
  preparePrivateDirectory(places.statePath);
  // Looked at before the key: a store that another process is making appears after its key.
  const existed = checkStoreFiles(path);
  const key = findKey(places, path, existed, ctx);
  try {
    if (!existed) makeStore(path, key, places, ctx);
    checkStoreFiles(path);
    const store = SecretStore.open(path, openStoreFile(path, key, places.busyTimeoutMs), key);
    // Another process may have made the file and been killed before its name was durable.
    syncDirectory(dirname(path));
    sweepTemporaries(path);
    ctx.log.debug({ path, keyPath: key.path }, "opened the local key store");
    return store;
  } catch (error) {
    key[Symbol.dispose]();
    throw error;
  }
}

function findKey(places: StorePlaces, path: string, storeExists: boolean, ctx: OpContext): KeyEncryptionKey {
  const found = readKey(places);
  if (found !== undefined) return found;
  if (storeExists) {
    const secrets = countSecrets(path, places.busyTimeoutMs);
    const advice =
      secrets === 0
        ? `put it back from your backup, or remove ${path}, which holds no secrets, to start anew`
        : "put it back from your backup; without it nothing can open the disks of these secrets";
    throw new LuksmithError(
      "KeyEncryptionKeyMissing",
      `the key-encryption key ${places.keyFile} of ${path} (${secrets} secrets) is missing; ${advice}`,
      { details: { path, keyFile: places.keyFile, secrets } },
    );
  }
  const key = createKey(places.keyFile);
  ctx.log.info(
    { keyFile: places.keyFile },
    "made a key-encryption key; back it up together with the key store",
  );
  return key;
}

function makeStore(path: string, key: KeyEncryptionKey, places: StorePlaces, ctx: OpContext): void {
  settleKey(key, places.keyFile);
  if (createStoreFile(path, key)) ctx.log.info({ path }, "made an empty local key store");
}

/**
 * Checks the database and the files SQLite keeps beside it.
 * @returns whether there is a database
 */
function checkStoreFiles(path: string): boolean {
  const logs = ["-wal", "-journal"].filter((suffix) => checkIfThere(path + suffix));
  checkIfThere(`${path}-shm`);
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats !== undefined) {
    checkPrivateFile(path, stats);
    if (stats.size === 0) throw damagedStore(path, "it is empty");
    return true;
  }
  // SQLite would replay the lost database's log into a new one. Looked at again: another process may just have made it.
  const log = logs.find((suffix) => fileExists(path + suffix));
  if (log !== undefined && !fileExists(path))
    throw damagedStore(path, `it is gone, but ${path}${log} is still there`);
  return fileExists(path);
}

function checkIfThere(path: string): boolean {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return false;
  checkPrivateFile(path, stats);
  return true;
}
