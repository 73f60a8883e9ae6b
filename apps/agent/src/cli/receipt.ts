import { exportReceipts, findReceipt, listReceipts, signingKey, verifyReceipt } from "@luksmith/core/host";
import { describeReceipt, type ReceiptRow, receiptRow } from "../output/describe-receipt.ts";
import { printable, table } from "../output/table.ts";
import type { Session } from "../session.ts";

export async function list(session: Session, id: string | undefined): Promise<void> {
  await using host = await session.read();
  const receipts = (await listReceipts(host, id)).map(({ receipt }) => receiptRow(receipt));
  await session.print({ receipts }, () => describeRows(receipts));
}

export async function show(session: Session, id: string): Promise<void> {
  await using host = await session.read();
  const { receipt, envelope } = await findReceipt(host, id);
  await session.print({ receipt, envelope: JSON.parse(envelope) as unknown }, () => describeReceipt(receipt));
}

export async function exportAll(session: Session, directory: string, id: string | undefined): Promise<void> {
  await using host = await session.read();
  const receipts = await exportReceipts(await listReceipts(host, id), directory);
  await session.print({ receipts }, () => receipts.map(({ path }) => `${printable(path)}\n`).join(""));
}

export async function verify(session: Session, file: string, keyFile: string | undefined): Promise<void> {
  const { receipt, keyId } = await verifyReceipt(await session.config(), file, keyFile);
  await session.print(
    { ok: true, key_id: keyId, receipt },
    () => `the signature is right, by the key ${keyId}\n${describeReceipt(receipt)}`,
  );
}

export async function key(session: Session): Promise<void> {
  const { keyId, publicPem } = await signingKey(await session.config());
  await session.print({ key_id: keyId, public_key: publicPem }, () => publicPem);
}

function describeRows(receipts: readonly ReceiptRow[]): string {
  if (receipts.length === 0) return "there are no receipts\n";
  const rows = receipts.map(({ id, issued_at, operation, disk, name, erased, secret_deleted }) => [
    id,
    issued_at,
    operation,
    disk,
    name,
    erased ? "erased" : "not erased",
    secret_deleted === null ? "none" : secret_deleted ? "deleted" : "kept",
  ]);
  return table(["RECEIPT", "ISSUED", "OPERATION", "DISK", "NAME", "HEADER", "PASSPHRASE"], rows);
}
