import { randomFillSync } from "node:crypto";
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  lstatSync,
  openSync,
  readSync,
  type Stats,
  writeSync,
} from "node:fs";
import { dirname, isAbsolute, join } from "node:path";
import { LuksmithError } from "@luksmith/core";
import { publishFile, sweepTemporaries, syncDirectory, syncFile } from "./durable-file.ts";
import { checkPrivateFile, checkProvidedFile, checkTrustedDirectory } from "./private-path.ts";
import { type Binding, seal, type SealedBox, unseal } from "./sealed-box.ts";

const KEY_BYTES = 32;

/** The name systemd's `LoadCredential=` or `LoadCredentialEncrypted=` must give the key. */
export const CREDENTIAL_NAME = "luksmith-key-encryption-key";

/** The key that wraps every passphrase, held in one buffer and wiped by its owner's `using` or `[Symbol.dispose]`. */
export class KeyEncryptionKey implements Disposable {
  /** The file it came from. */
  readonly path: string;
  readonly #bytes: Uint8Array;

  /** Takes `bytes` over. */
  constructor(bytes: Uint8Array, path: string) {
    this.#bytes = bytes;
    this.path = path;
  }

  seal(plain: Uint8Array, binding: Binding): SealedBox {
    return seal(this.#bytes, plain, binding);
  }

  /** The plain bytes, which the caller wipes; `undefined` when the box was not sealed by this key for this binding. */
  unseal(box: SealedBox, binding: Binding): Uint8Array | undefined {
    return unseal(this.#bytes, box, binding);
  }

  [Symbol.dispose](): void {
    this.#bytes.fill(0);
  }
}

/** Where the key may be. All paths are absolute. */
export interface KeyPlaces {
  readonly keyFile: string;
  /** systemd's `$CREDENTIALS_DIRECTORY`. */
  readonly credentialsDirectory?: string | undefined;
}

/**
 * Reads the key: the systemd credential if there is one, else the key file.
 *
 * @returns `undefined` when there is neither
 * @throws `KeyStoreUnsafe`, `KeyEncryptionKeyWrong` (not 32 bytes)
 */
export function readKey(places: KeyPlaces): KeyEncryptionKey | undefined {
  // Empty or relative, the variable is not systemd's: a key would be taken from wherever the agent was started.
  if (places.credentialsDirectory !== undefined && isAbsolute(places.credentialsDirectory)) {
    const key = readKeyFile(join(places.credentialsDirectory, CREDENTIAL_NAME), checkProvidedFile);
    if (key !== undefined) return key;
  }
  return readKeyFile(places.keyFile, checkPrivateFile);
}

/**
 * Makes the key file, durable when this returns. Never overwrites: if another process makes one first, that one is
 * the key.
 */
export function createKey(keyFile: string): KeyEncryptionKey {
  checkTrustedDirectory(dirname(keyFile));
  publishFile(keyFile, writeRandomKey);
  const key = readKeyFile(keyFile, checkPrivateFile);
  if (key !== undefined) return key;
  throw new LuksmithError(
    "KeyEncryptionKeyMissing",
    `${keyFile} was removed while it was being made; try again`,
    {
      details: { path: keyFile },
    },
  );
}

/** Makes a key that another process wrote as durable as one of our own, before anything is wrapped under it. */
export function settleKey(key: KeyEncryptionKey, keyFile: string): void {
  if (key.path !== keyFile) return;
  syncFile(keyFile);
  syncDirectory(dirname(keyFile));
  sweepTemporaries(keyFile);
}

function writeRandomKey(path: string): void {
  const bytes = randomFillSync(new Uint8Array(KEY_BYTES));
  const fd = openSync(path, "wx", 0o600);
  try {
    writeSync(fd, bytes);
    fsyncSync(fd);
  } finally {
    bytes.fill(0);
    closeSync(fd);
  }
}

function readKeyFile(
  path: string,
  check: (path: string, stats: Stats) => void,
): KeyEncryptionKey | undefined {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return undefined;
  check(path, stats);
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  // One byte more than a key tells a longer file.
  const bytes = new Uint8Array(KEY_BYTES + 1);
  try {
    check(path, fstatSync(fd));
    const length = readSync(fd, bytes);
    if (length === KEY_BYTES) return new KeyEncryptionKey(bytes.slice(0, KEY_BYTES), path);
    throw new LuksmithError(
      "KeyEncryptionKeyWrong",
      `${path} must hold exactly ${KEY_BYTES} bytes; put the right key-encryption key there from your backup`,
      { details: { path } },
    );
  } finally {
    bytes.fill(0);
    closeSync(fd);
  }
}
