import { LuksmithError } from "../../errors/luksmith-error.ts";
import type { ReceiptRecord } from "../../journal/receipts.ts";
import type { HostConfig } from "../../config/host-config.ts";
import type { ReadableHost } from "../host.ts";
import { readSmallJson, readUnverified, trustedKeys, verifyEnvelope } from "../signing/index.ts";
import { type EraseReceipt, RECEIPT_TYPE } from "./erase-receipt.ts";

/** A receipt of this host, and the signed envelope that goes to whoever shall believe it. */
export interface StoredReceipt {
  readonly receipt: EraseReceipt;
  /** JSON text. */
  readonly envelope: string;
}

/** Oldest first. @param of only those of this disk, snapshot or instance */
export function listReceipts(host: ReadableHost, of: string | undefined): readonly StoredReceipt[] {
  return (host.inventory?.receipts.all(of) ?? []).map(stored);
}

/**
 * By its own id, or the only one of a disk.
 * @throws `ReceiptNotFound`
 */
export function findReceipt(host: ReadableHost, id: string): StoredReceipt {
  const receipts = host.inventory?.receipts;
  const found = receipts?.find(id) ?? receipts?.all(id).at(-1);
  if (found) return stored(found);
  throw new LuksmithError(
    "ReceiptNotFound",
    `there is no receipt ${id}, nor one of a disk, snapshot or instance of that UUID; "luksmith receipt list" shows those there are`,
    { details: { id } },
  );
}

/** A receipt that somebody handed in, verified. */
export interface VerifiedReceipt {
  readonly receipt: EraseReceipt;
  /** Of the key that signed it. */
  readonly keyId: string;
}

/**
 * Needs nothing of the host but its public key.
 * @param keyFile public keys in PEM; undefined: this host's own
 * @throws `SignatureInvalid`, `SignerUnknown`, `FileUnreadable`, `SigningKeyUnsafe`
 */
export async function verifyReceipt(
  config: HostConfig,
  file: string,
  keyFile: string | undefined,
): Promise<VerifiedReceipt> {
  const envelope = await readSmallJson(file);
  const keys = await trustedKeys(config.luksmith.state_path, keyFile);
  const what = `the receipt ${file}`;
  const { document, keyId } = verifyEnvelope(envelope, RECEIPT_TYPE, keys, what);
  if (isReceipt(document)) return { receipt: document, keyId };
  throw new LuksmithError(
    "SignatureInvalid",
    `${what} is signed, but is of a version that is not understood here; use a newer luksmith`,
  );
}

function stored({ envelope }: ReceiptRecord): StoredReceipt {
  const receipt = readUnverified(JSON.parse(envelope), RECEIPT_TYPE, "a receipt of this host");
  return { receipt: receipt as EraseReceipt, envelope };
}

function isReceipt(document: unknown): document is EraseReceipt {
  if (typeof document !== "object" || document === null) return false;
  const { kind, version } = document as Partial<EraseReceipt>;
  return kind === "luksmith.erase-receipt" && version === 1;
}
