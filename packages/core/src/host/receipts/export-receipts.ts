import { open } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, ioError } from "../../errors/io-error.ts";
import { LuksmithError } from "../../errors/luksmith-error.ts";
import { syncDirectory } from "../../file/sync-directory.ts";
import type { StoredReceipt } from "./read-receipts.ts";

export interface ExportedReceipt {
  readonly id: string;
  readonly disk: string;
  readonly path: string;
}

/**
 * Writes signed receipts as files `<disk>.<id>.receipt.json` into a directory, for auditors. Never over another file: one that
 * was exported before is left as it is. Durable when it resolves.
 * @throws `TargetExists`: something else has the name; `PermissionDenied`, `NoSpace`, `IoError`
 */
export async function exportReceipts(
  receipts: readonly StoredReceipt[],
  directory: string,
): Promise<readonly ExportedReceipt[]> {
  const exported: ExportedReceipt[] = [];
  for (const { receipt, envelope } of receipts) {
    const { id, disk } = receipt;
    const path = join(directory, `${disk.uuid}.${id}.receipt.json`);
    await writeNew(path, `${envelope}\n`);
    exported.push({ id, disk: disk.uuid, path });
  }
  if (exported.length > 0) await syncDirectory(directory);
  return exported;
}

async function writeNew(path: string, text: string): Promise<void> {
  try {
    await using file = await open(path, "wx", 0o644);
    await file.writeFile(text);
    await file.datasync();
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw ioError(error, `writing ${path}`, { path });
    await requireSame(path, text);
  }
}

async function requireSame(path: string, text: string): Promise<void> {
  await using file = await open(path, "r");
  if ((await file.stat()).size === Buffer.byteLength(text) && (await file.readFile("utf8")) === text) return;
  throw new LuksmithError(
    "TargetExists",
    `${path} exists and is another file; it was not touched, choose another directory`,
    { details: { path } },
  );
}
