import type { EraseReceipt } from "@luksmith/core/host";
import { formatBytes } from "./format-bytes.ts";
import { printable } from "./table.ts";

/** A receipt as `receipt list` gives it. */
export interface ReceiptRow {
  readonly id: string;
  readonly issued_at: string;
  readonly operation: string;
  readonly disk: string;
  readonly instance: string;
  readonly name: string;
  readonly path: string;
  readonly erased: boolean;
  /** Null: it had none. */
  readonly secret_deleted: boolean | null;
}

export function receiptRow({ id, issued_at, operation, disk, erasure, secret }: EraseReceipt): ReceiptRow {
  return {
    id,
    issued_at,
    operation: operation.kind,
    disk: disk.uuid,
    instance: disk.instance,
    name: disk.name,
    path: disk.path,
    erased: erasure !== null,
    secret_deleted: secret && secret.deleted_at !== null,
  };
}

/** A receipt for people. */
export function describeReceipt(receipt: EraseReceipt): string {
  const { disk, operation, host, storage, remains } = receipt;
  const operator = operation.operator === null ? "" : ` by ${operation.operator}`;
  const identity = disk.identity === null ? "nothing was there" : JSON.stringify(disk.identity);
  const lines: readonly (readonly [string, string])[] = [
    ["receipt", `${receipt.id}, issued ${receipt.issued_at}`],
    ["host", `${host.name}, key ${host.key_id}`],
    [
      "operation",
      `${operation.kind} ${operation.id}, begun ${operation.started_at}${operator} (${operation.request_id})`,
    ],
    [disk.kind, `${disk.uuid}, ${disk.name} of instance ${disk.instance}`],
    ["place", `${disk.path} on ${disk.backend}, ${identity}, ${formatBytes(disk.virtual_size)}`],
    ...describeHeader(receipt),
    ...describeErasure(receipt),
    ["storage", storage.how],
    ...describeSecret(receipt),
  ];
  const facts = lines.map(([name, text]) => `  ${name.padEnd(10)} ${printable(text)}\n`).join("");
  return `${facts}  what remains possible:\n${remains.map((each) => `    - ${printable(each)}\n`).join("")}`;
}

function describeHeader({ header_before: header }: EraseReceipt): readonly (readonly [string, string])[] {
  if (!header) return [["header", "was not read before"]];
  const slots = header.active_slots.join(", ") || "none";
  return [
    [
      "header",
      `SHA-256 ${header.sha256}, ${header.cipher}, ${header.key_bits} bits, key slots in use: ${slots}`,
    ],
  ];
}

function describeErasure({ erasure }: EraseReceipt): readonly (readonly [string, string])[] {
  if (!erasure) return [["erased", "nothing"]];
  const { proof, overwritten, at } = erasure;
  const bytes = overwritten.reduce((sum, { length }) => sum + length, 0);
  const reason = proof.reason === null ? "" : ` (${proof.reason})`;
  return [
    [
      "erased",
      `${at}: ${bytes} bytes in ${overwritten.length} places overwritten with random ones, read back as written`,
    ],
    [
      "proof",
      `no key slot enabled; stored passphrase ${proof.stored_passphrase}, under the header from before ${proof.with_header_from_before}${reason}`,
    ],
  ];
}

function describeSecret({ secret }: EraseReceipt): readonly (readonly [string, string])[] {
  if (!secret) return [];
  const fate =
    secret.deleted_at === null
      ? `kept: ${secret.why_kept ?? "not this operation's"}`
      : `deleted ${secret.deleted_at}`;
  return [["passphrase", `${secret.id} in ${secret.key_manager}, ${fate}`]];
}
