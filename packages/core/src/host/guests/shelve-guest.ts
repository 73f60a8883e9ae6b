import { stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { directoryTrouble } from "../../file/directory-trouble.ts";
import { fileIdentity } from "../../file/file-identity.ts";
import { newFile } from "../../file/new-file.ts";
import { LuksmithError } from "../../errors/luksmith-error.ts";
import type { Image } from "../../image/image.ts";
import { diskToJson } from "../../image/image-disk.ts";
import { type OpContext, throwIfCancelled } from "../../image/op-context.ts";
import type { DiskRecord } from "../../journal/inventory.ts";
import type { Operation } from "../../journal/journal.ts";
import type { WritableHost } from "../host.ts";
import type { HostServices } from "../host-services.ts";
import { finishDelete } from "../operations/finish-delete.ts";
import { recallPassphrase } from "../operations/recall-passphrase.ts";
import { imageOf } from "../operations/resize-disk.ts";
import { sagaStep } from "../operations/steps.ts";
import { journaledRollback, takeBack } from "../operations/undo.ts";
import { requireReceipts } from "../receipts/require-receipts.ts";
import { describeGuest } from "./describe-guest.ts";
import { type FoundGuest, findGuest, isUp } from "./find-guest.ts";
import { keysOfOneGuest } from "./guest-keys.ts";
import type { MoveDocument } from "./move-document.ts";
import { backOn } from "./power-on.ts";
import { powerOff } from "./stop-guest.ts";

export interface ShelveOptions {
  /** Absolute; exists. */
  readonly directory: string;
  /** How long the guest may take to shut down; 0: none. */
  readonly timeoutMs: number;
}

export interface Shelved {
  readonly document: MoveDocument;
  /** The document's file, which `unshelveGuest` takes, here or on any host that sees the directory. */
  readonly path: string;
}

interface ShelvedDisk {
  readonly record: DiskRecord;
  readonly image: Image;
  readonly file: string;
}

/**
 * Takes a guest off this host and keeps it on a shelf: each disk becomes a file of its own in a directory, standing alone,
 * encrypted by the same passphrase with another volume key; a document beside them holds what else is known. Then the
 * disks, the guest and its keys in the hypervisor go from this host; the passphrases stay in the key manager. What fails or
 * is killed before the shelf is whole leaves the guest here, perhaps off; afterwards it goes forward only.
 * @throws `TargetExists`, `DomainStateConflict`: it is rescued; and what a snapshot of its disks refuses
 */
export async function shelveGuest(
  host: WritableHost,
  uuid: string,
  { directory, timeoutMs }: ShelveOptions,
  ctx: OpContext,
): Promise<Shelved> {
  using _claim = host.claim(uuid);
  const found = findGuest(host, uuid);
  const { instance } = found;
  if (found.guest.rescued) throw isRescued(uuid);
  const services = await host.services();
  const path = join(directory, `${uuid}.json`);
  const disks: ShelvedDisk[] = [];
  for (const record of instance.disks) {
    const image = await imageOf(host, record, ctx);
    if (!image.adopt) throw cannotComeBack(record);
    disks.push({ record, image, file: join(directory, `${uuid}.${record.name}`) });
  }
  await requireShelf(directory, ctx);
  await requireFree([path, ...disks.map(({ file }) => file)]);
  const wasUp = isUp(await services.hypervisor.state(uuid, ctx));
  const document = onShelf(found, disks);
  const keys = keysOfOneGuest(host, instance);
  await requireReceipts(host);
  const operation = host.journal.begin("shelve", uuid, ctx, {});
  try {
    await powerOff(services.hypervisor, uuid, new Date(Date.now() + timeoutMs), ctx);
    for (const disk of disks) await putOnShelf(services, disk, operation, ctx);
    await writeDocument(path, document, disks, operation);
    throwIfCancelled(ctx);
    operation.advance(
      () => {},
      sagaStep({ kind: "end-guest", data: { uuid } }),
      ...disks.map(({ record }) =>
        sagaStep({
          kind: "remove",
          data: { backend: record.backend, disk: diskToJson(record), identity: record.identity },
        }),
      ),
      sagaStep({ kind: "take-keys", data: { keys } }),
      ...keys.map(({ secretId }) => sagaStep({ kind: "forget-copy", data: { id: secretId } })),
    );
  } catch (error) {
    const raised = await takeBack(services, operation, error, ctx);
    if (wasUp) await backOn(host, found, ctx);
    throw raised;
  }
  // From here on the shelf has it.
  const steady = { ...ctx, signal: new AbortController().signal };
  await finishDelete(host, services, operation, uuid, steady);
  ctx.log.info({ instance: uuid, path }, "guest shelved");
  return { document, path };
}

/** Before the guest is stopped. */
async function requireShelf(directory: string, ctx: OpContext): Promise<void> {
  const there = await stat(directory).catch(() => undefined);
  const trouble = there?.isDirectory()
    ? await directoryTrouble(directory, ctx)
    : `${directory} is not a directory`;
  if (trouble === undefined) return;
  throw new LuksmithError(
    "IoError",
    `nothing can be put on this shelf: ${trouble}; make it, or choose another`,
    {
      details: { path: directory },
    },
  );
}

async function requireFree(files: readonly string[]): Promise<void> {
  for (const path of files) {
    if (!(await fileIdentity(path))) continue;
    throw new LuksmithError(
      "TargetExists",
      `${path} exists already and was not touched; choose another directory`,
      { details: { path } },
    );
  }
}

function onShelf(found: FoundGuest, disks: readonly ShelvedDisk[]): MoveDocument {
  const document = describeGuest(found);
  const shelved = document.disks.map((disk, at) =>
    Object.assign(disk, { path: basename(disks[at]?.file ?? ""), backing: null }),
  );
  return { ...document, kind: "luksmith.shelf", disks: shelved };
}

/** Copies one disk, and proves that its passphrase opens the copy. */
async function putOnShelf(
  services: HostServices,
  { record, image, file: path }: ShelvedDisk,
  operation: Operation,
  ctx: OpContext,
): Promise<void> {
  throwIfCancelled(ctx);
  using passphrase = await recallPassphrase(services.keys, record, ctx);
  const target = {
    path,
    format: record.source.format,
    uuid: record.uuid,
    operation: operation.id,
    ...(passphrase ? { passphrase } : {}),
  };
  await image.snapshot(target, journaledRollback(operation, record.backend, image), ctx);
  await image.proveCopy(path, ctx);
}

async function writeDocument(
  path: string,
  document: MoveDocument,
  [first]: readonly ShelvedDisk[],
  operation: Operation,
): Promise<void> {
  if (!first) throw new Error("an instance has a disk at least");
  const undo = journaledRollback(operation, first.record.backend, first.image);
  await using file = await newFile(path, undo, { makeDirectories: false });
  await file.handle.writeFile(`${JSON.stringify(document, undefined, 2)}\n`);
  await file.publish();
}

function cannotComeBack({ backend, name }: DiskRecord): LuksmithError {
  return new LuksmithError(
    "UnsupportedOperation",
    `${name} is on ${backend}, which cannot take a disk from a file: what was shelved could not be unshelved`,
    { details: { disk: name } },
  );
}

function isRescued(uuid: string): LuksmithError {
  return new LuksmithError(
    "DomainStateConflict",
    `guest ${uuid} is rescued; end that first: "luksmith unrescue ${uuid}"`,
    { details: { guest: uuid } },
  );
}
