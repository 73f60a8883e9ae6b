import { createPrivateKey, generateKeyPairSync, type KeyObject, randomUUID } from "node:crypto";
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  rmSync,
  type Stats,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { errnoOf, ioError } from "../../errors/io-error.ts";
import { LuksmithError } from "../../errors/luksmith-error.ts";
import { openDirectory } from "../../file/sync-directory.ts";
import { keyIdOf, publicPem } from "./public-keys.ts";

/** In the state directory. */
export const SIGNING_KEY_FILE = "signing-key.pem";

/** What this host signs its statements with: Ed25519, PKCS #8 in PEM, 0600, made at first use and never changed. */
export interface SigningKey {
  readonly privateKey: KeyObject;
  readonly keyId: string;
  /** The public half, for auditors. */
  readonly publicPem: string;
}

/**
 * Reads the host's key, or makes it, durable when this returns. Whoever makes it first has made it: no key is ever overwritten.
 * @param statePath a state directory that was checked
 * @throws `SigningKeyUnsafe` with the command that mends it
 */
export async function openSigningKey(statePath: string): Promise<SigningKey> {
  const found = readSigningKey(statePath);
  if (found) return found;
  await makeKey(statePath);
  const made = readSigningKey(statePath);
  if (made) return made;
  throw unsafe(join(statePath, SIGNING_KEY_FILE), "was removed while it was being made; try again");
}

/** The host's key, if it was ever made. @throws `SigningKeyUnsafe` */
export function readSigningKey(statePath: string): SigningKey | undefined {
  const path = join(statePath, SIGNING_KEY_FILE);
  const pem = readPrivate(path);
  if (pem === undefined) return undefined;
  let privateKey: KeyObject;
  try {
    privateKey = createPrivateKey(pem);
  } catch (error) {
    throw unsafe(
      path,
      "holds no private key; put the right one back from your backup, or move it away and have a new one made",
      error,
    );
  } finally {
    pem.fill(0);
  }
  if (privateKey.asymmetricKeyType !== "ed25519") throw unsafe(path, "holds a key that is not ed25519");
  return { privateKey, keyId: keyIdOf(privateKey), publicPem: publicPem(privateKey) };
}

function readPrivate(path: string): Buffer | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    if (errnoOf(error) === "ELOOP") throw unsafe(path, "is a symbolic link; put the file itself here", error);
    throw ioError(error, `reading the signing key ${path}`, { path });
  }
  try {
    requirePrivate(path, fstatSync(fd));
    return readFileSync(fd);
  } finally {
    closeSync(fd);
  }
}

function requirePrivate(path: string, stats: Stats): void {
  const me = process.geteuid?.() ?? 0;
  if (!stats.isFile()) throw unsafe(path, "is not a regular file; move it away");
  if (stats.uid !== me)
    throw unsafe(path, `belongs to uid ${stats.uid}, not to ${me}; run: chown ${me} ${path}`);
  if ((stats.mode & 0o077) !== 0) {
    throw unsafe(
      path,
      `has mode ${(stats.mode & 0o7777).toString(8).padStart(4, "0")}, open to others: whoever read it can sign as this host; move it away so that a new one is made`,
    );
  }
}

async function makeKey(statePath: string): Promise<void> {
  const path = join(statePath, SIGNING_KEY_FILE);
  const temporary = join(statePath, `.${SIGNING_KEY_FILE}.${randomUUID()}.new`);
  const { privateKey } = generateKeyPairSync("ed25519");
  const pem = Buffer.from(privateKey.export({ type: "pkcs8", format: "pem" }));
  try {
    const fd = openSync(temporary, "wx", 0o600);
    try {
      writeSync(fd, pem);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    linkSync(temporary, path);
  } catch (error) {
    // Somebody else's stands.
    if (errnoOf(error) !== "EEXIST") throw ioError(error, `making the signing key ${path}`, { path });
  } finally {
    pem.fill(0);
    rmSync(temporary, { force: true });
  }
  using directory = openDirectory(statePath);
  await directory.sync();
}

function unsafe(path: string, problem: string, cause?: unknown): LuksmithError {
  return new LuksmithError("SigningKeyUnsafe", `the signing key ${path} ${problem}`, {
    details: { path },
    ...(cause === undefined ? {} : { cause }),
  });
}
