import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { isLuksmithError, LuksmithError } from "../../errors/luksmith-error.ts";
import { readSmallFile } from "../signing/index.ts";
import type { BundledDisk } from "./bundle-disk.ts";

const MAGIC = "age-encryption.org/v1\n";
const HEADER_LIMIT = 64 * 1024;

/** What a bundle says of itself. No passphrase is shown, or kept. */
export interface InspectedBundle {
  readonly path: string;
  readonly bytes: number;
  /** The kinds of keys that open it, one for each recipient: `X25519`. */
  readonly recipients: readonly string[];
  /** Undefined: no key to look inside was given. */
  readonly contents: BundleContents | undefined;
}

export interface BundleContents {
  readonly made_at: string;
  readonly disks: readonly BundledDisk[];
  readonly failed: readonly { readonly uuid: string; readonly name: string; readonly error: string }[];
}

/**
 * @param identityFile a file of age's private keys, as `age-keygen` writes it
 * @throws `FileUnreadable`: it is no bundle, is damaged, or the keys do not open it
 */
export async function inspectBundle(
  path: string,
  identityFile: string | undefined,
): Promise<InspectedBundle> {
  const { bytes, recipients } = await readOutside(path);
  if (identityFile === undefined) return { path, bytes, recipients, contents: undefined };
  const identities = (await readSmallFile(identityFile)).match(/^AGE-SECRET-KEY-\S+$/gm) ?? [];
  if (identities.length === 0) throw unreadable(identityFile, "holds no private key of age's");
  try {
    return { path, bytes, recipients, contents: await readInside(path, identities) };
  } catch (error) {
    if (isLuksmithError(error)) throw error;
    throw unreadable(path, "is not opened by these keys, or is damaged", error);
  }
}

async function readOutside(path: string): Promise<{ bytes: number; recipients: readonly string[] }> {
  const start = Buffer.alloc(HEADER_LIMIT);
  let bytes: number;
  let length: number;
  try {
    await using file = await open(path, "r");
    bytes = (await file.stat()).size;
    length = (await file.read(start, 0, HEADER_LIMIT, 0)).bytesRead;
  } catch (error) {
    throw unreadable(path, "cannot be read", error);
  }
  const text = start.toString("latin1", 0, length);
  if (!text.startsWith(MAGIC)) throw unreadable(path, "is not encrypted by age");
  const recipients = [...text.slice(0, text.indexOf("\n---")).matchAll(/^-> (\S+)/gm)].map(
    ([, kind = ""]) => kind,
  );
  return { bytes, recipients: recipients.filter((kind) => !kind.endsWith("-grease")) };
}

async function readInside(path: string, identities: readonly string[]): Promise<BundleContents> {
  const [{ Decrypter }, { readTar }] = await Promise.all([import("age-encryption"), import("./tar.ts")]);
  const decrypter = new Decrypter();
  for (const identity of identities) decrypter.addIdentity(identity);
  const sealed = Readable.toWeb(createReadStream(path)) as ReadableStream<Uint8Array>;
  const packed = Readable.fromWeb((await decrypter.decrypt(sealed)) as never);
  const unpacked = packed.pipe(createGunzip());
  packed.on("error", (error: Error) => unpacked.destroy(error));
  const last = "luksmith-recovery/bundle.json";
  for await (const { name, content } of readTar(unpacked, (each) => each === last)) {
    if (name === last && content) return contentsOf(path, content);
  }
  throw unreadable(path, "is no recovery bundle");
}

function contentsOf(path: string, content: Uint8Array): BundleContents {
  const document = JSON.parse(Buffer.from(content).toString("utf8")) as BundleContents & {
    kind?: string;
    version?: number;
  };
  if (document.kind !== "luksmith.recovery-bundle" || document.version !== 1)
    throw unreadable(path, "is a bundle of a version that is not understood here");
  const { made_at, disks, failed } = document;
  return { made_at, disks, failed };
}

function unreadable(path: string, why: string, cause?: unknown): LuksmithError {
  return new LuksmithError("FileUnreadable", `${path} ${why}`, {
    details: { path },
    ...(cause === undefined ? {} : { cause }),
  });
}
