import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { ownSecret } from "../../image/image-disk.ts";
import type { Json } from "../../image/rollback.ts";
import type { OpenOperation } from "../../journal/journal.ts";
import type { ReceiptRecord } from "../../journal/receipts.ts";
import type { ReadableHost } from "../host.ts";
import type { HostServices } from "../host-services.ts";
import { openSigningKey, signEnvelope, type SigningKey } from "../signing/index.ts";
import type { ErasureLog } from "./erasure-log.ts";
import { type EraseReceipt, RECEIPT_TYPE } from "./erase-receipt.ts";
import { type Removed, removedBy } from "./removed.ts";
import { whatRemains } from "./what-remains.ts";

/** Of an operation that has done all its steps. */
export interface Finished {
  readonly operation: OpenOperation;
  readonly erasures: ErasureLog;
  /** When each secret was deleted, ISO 8601. */
  readonly deleted: ReadonlyMap<string, string>;
}

/**
 * A signed receipt for each disk that an operation has removed, for the transaction that ends it.
 * @throws `SigningKeyUnsafe`
 */
export async function writeReceipts(
  host: ReadableHost,
  services: HostServices,
  finished: Finished,
): Promise<readonly ReceiptRecord[]> {
  const removed = removedBy(host, services, finished.operation);
  if (removed.length === 0) return [];
  const key = await openSigningKey(host.config.luksmith.state_path);
  return removed.map((each) => receiptOf(host, services, finished, key, each));
}

function receiptOf(
  host: ReadableHost,
  services: HostServices,
  { operation, erasures, deleted }: Finished,
  key: SigningKey,
  removed: Removed,
): ReceiptRecord {
  const { disk, disposal, snapshots } = removed;
  const erasure = erasures.of(disk.uuid) ?? null;
  const secret = secretOf(services, removed, operation.kind, deleted);
  const facts = {
    header_before: removed.header ?? erasure?.header ?? null,
    erasure,
    secret,
    disk: { ...disk, project: host.inventory?.instance(disk.instance)?.projectId ?? null },
  };
  const { elsewhere, how } = disposal;
  const id = randomUUID();
  const issuedAt = new Date().toISOString();
  const receipt: EraseReceipt = {
    kind: "luksmith.erase-receipt",
    version: 1,
    id,
    issued_at: issuedAt,
    host: { name: hostname(), key_id: key.keyId },
    operation: {
      id: operation.id,
      kind: operation.kind,
      started_at: operation.startedAt,
      request_id: operation.requestId,
      operator: operatorOf(operation.data),
    },
    ...facts,
    storage: {
      removed: disk.identity !== null,
      how: disk.identity === null ? "nothing was there when the operation began" : how,
    },
    remains: whatRemains(facts, elsewhere, snapshots),
  };
  const envelope = JSON.stringify(signEnvelope(RECEIPT_TYPE, receipt, key.privateKey));
  return { id, disk: disk.uuid, subject: operation.subject, issuedAt, envelope };
}

function secretOf(
  { keys }: HostServices,
  { encryption }: Removed,
  kind: string,
  deleted: ReadonlyMap<string, string>,
): EraseReceipt["secret"] {
  const id = encryption?.secretId;
  if (!id) return null;
  const deletedAt = deleted.get(id) ?? null;
  const kept =
    ownSecret(encryption) === undefined ? "somebody else made it, and keeps it" : (KEPT[kind] ?? null);
  return { key_manager: keys.name, id, deleted_at: deletedAt, why_kept: deletedAt === null ? kept : null };
}

const KEPT: Readonly<Record<string, string>> = {
  delete: "the disk is on another host now, which needs it",
  shelve: "the copy on the shelf needs it",
  rebuild: "the disk that took this one's place needs it",
};

function operatorOf(data: Json): string | null {
  const who = typeof data === "object" && data !== null && "operator" in data ? data["operator"] : undefined;
  return typeof who === "string" ? who : null;
}
