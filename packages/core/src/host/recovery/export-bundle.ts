import { randomUUID } from "node:crypto";
import { link, open, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { Readable } from "node:stream";
import { createGzip } from "node:zlib";
import { errnoOf, operationError } from "../../errors/io-error.ts";
import { LuksmithError } from "../../errors/luksmith-error.ts";
import { syncDirectory } from "../../file/sync-directory.ts";
import { hasHeader } from "../../image/image-disk.ts";
import { type OpContext, throwIfCancelled } from "../../image/op-context.ts";
import type { DiskRecord } from "../../journal/inventory.ts";
import type { WritableHost } from "../host.ts";
import type { HostServices } from "../host-services.ts";
import { diskOf } from "../operations/resize-disk.ts";
import { findInstance } from "../operations/verify-disks.ts";
import { type BundledDisk, secretsOf } from "./bundle-disk.ts";
import { READ_ME } from "./read-me.ts";
import { encrypterFor, recipientsOf } from "./recipients.ts";
import { tarEnd, tarFile } from "./tar.ts";

export interface ExportBundle {
  /** Of an instance; undefined: all. */
  readonly id: string | undefined;
  /** In disk_info; undefined: each that is encrypted. */
  readonly disk: string | undefined;
  /** Absolute; must not exist. */
  readonly path: string;
  /** Public keys of age's; none: those of the configuration. */
  readonly recipients: readonly string[];
}

export interface ExportedBundle {
  readonly path: string;
  readonly recipients: readonly string[];
  readonly disks: readonly BundledDisk[];
  /** What is not in it, and why. */
  readonly failed: readonly { readonly uuid: string; readonly name: string; readonly error: string }[];
}

/**
 * Writes header backups and passphrases of disks into one file, encrypted to people who keep their keys elsewhere. What is not
 * encrypted is in memory only. A disk that fails does not keep the others; each is in the audit log before its passphrase is given, as each use of a key.
 * @throws `InvalidRequest`, `TargetExists`, `InstanceNotFound`, `DiskNotFound`; what kept the last disk, where there is none
 */
export async function exportBundle(
  host: WritableHost,
  { id, disk, path, recipients: given }: ExportBundle,
  ctx: OpContext,
): Promise<ExportedBundle> {
  const recipients = recipientsOf(host.config, given);
  const encrypter = await encrypterFor(recipients);
  const records = chosen(host, id, disk);
  const services = await host.services();
  const disks: BundledDisk[] = [];
  const failed: { uuid: string; name: string; error: string }[] = [];
  const failures: unknown[] = [];
  const spent: Uint8Array[] = [];
  async function* archive(): AsyncGenerator<Uint8Array> {
    const now = new Date();
    yield* tarFile("luksmith-recovery/README.txt", Buffer.from(READ_ME), now);
    for (const record of records) {
      throwIfCancelled(ctx);
      try {
        yield* bundled(services, record, now, disks, spent, ctx);
      } catch (error) {
        throwIfCancelled(ctx);
        failures.push(error);
        const reason = error instanceof Error ? error.message : String(error);
        failed.push({ uuid: record.uuid, name: record.name, error: reason });
      }
      const step = `bundle ${disks.length + failed.length} of ${records.length} disks`;
      ctx.progress?.({ step, doneBytes: 0n, totalBytes: 0n });
    }
    const contents = {
      kind: "luksmith.recovery-bundle",
      version: 1,
      made_at: now.toISOString(),
      disks,
      failed,
    };
    yield* tarFile("luksmith-recovery/bundle.json", Buffer.from(JSON.stringify(contents, undefined, 2)), now);
    yield tarEnd();
  }
  try {
    await writeNew(
      path,
      ctx,
      async () => {
        const source = Readable.from(archive());
        const packed = source.pipe(createGzip());
        // A pipe passes no errors on: a cancelled bundle would never end.
        source.on("error", (error) => packed.destroy(error));
        return await encrypter.encrypt(Readable.toWeb(packed) as ReadableStream<Uint8Array>);
      },
      () => {
        // A bundle of nothing would be taken for one.
        if (disks.length === 0) throw failures.at(-1);
      },
    );
  } finally {
    for (const bytes of spent) bytes.fill(0);
  }
  return { path, recipients, disks, failed };
}

function chosen(host: WritableHost, id: string | undefined, name: string | undefined): readonly DiskRecord[] {
  const instances = id === undefined ? host.inventory.instances() : [findInstance(host, id)];
  const records =
    name === undefined
      ? instances.flatMap(({ disks }) => disks.filter(hasHeader))
      : instances.map((instance) => diskOf(instance, name)).filter(hasHeader);
  if (records.length > 0) return records;
  throw new LuksmithError(
    "UnsupportedOperation",
    `${id ? `instance ${id}` : "this host"} has no disk${name ? ` ${name}` : ""} with a LUKS header: there is nothing to bundle`,
  );
}

async function* bundled(
  services: HostServices,
  record: DiskRecord,
  now: Date,
  disks: BundledDisk[],
  spent: Uint8Array[],
  ctx: OpContext,
): AsyncGenerator<Uint8Array> {
  using secrets = await secretsOf(services, record, ctx);
  const folder = `luksmith-recovery/${secrets.disk.uuid}`;
  // The compression still reads what it was given when it asks for more: wiped only when all is written.
  const bytes = secrets.passphrase.use((passphrase) => Uint8Array.from(passphrase));
  spent.push(bytes);
  yield* tarFile(`${folder}/disk.json`, Buffer.from(JSON.stringify(secrets.disk, undefined, 2)), now);
  yield* tarFile(`${folder}/header`, secrets.header, now);
  yield* tarFile(`${folder}/passphrase`, bytes, now);
  disks.push(secrets.disk);
}

/** The file appears whole or not at all, and never in place of another. */
async function writeNew(
  path: string,
  ctx: OpContext,
  content: () => Promise<ReadableStream<Uint8Array>>,
  check: () => void,
): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomUUID()}.partial`);
  const what = `writing the recovery bundle ${path}`;
  try {
    await using file = await open(temporary, "wx", 0o600);
    for await (const chunk of await content()) await file.writeFile(chunk);
    check();
    await file.datasync();
    await link(temporary, path);
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw operationError(error, ctx.signal, what, { path });
    throw new LuksmithError(
      "TargetExists",
      `${path} exists already and was not touched; choose another name`,
      {
        details: { path },
      },
    );
  } finally {
    await rm(temporary, { force: true });
  }
  await syncDirectory(dirname(path));
}
