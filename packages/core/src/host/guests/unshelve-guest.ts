import { basename, join } from "node:path";
import { fileIdentity } from "../../file/file-identity.ts";
import { LuksmithError } from "../../errors/luksmith-error.ts";
import { diskToJson } from "../../image/image-disk.ts";
import type { OpContext } from "../../image/op-context.ts";
import type { Step } from "../../journal/journal.ts";
import type { WritableHost } from "../host.ts";
import { sagaStep } from "../operations/steps.ts";
import { adoptGuest } from "./adopt-guest.ts";
import { listedDisk, type MoveDocument } from "./move-document.ts";
import type { Spawned } from "./spawn-guest.ts";

export interface UnshelveOptions {
  /** Absolute: the directory of the document, with the disks' files. */
  readonly directory: string;
  readonly start: boolean;
}

/**
 * Takes a guest from a shelf, on the host that shelved it or on any other: its disks are copied as they are and proven, its
 * keys are in the hypervisor before it starts; then the shelf is cleared, key slots first. All of it or nothing until the
 * guest is here; afterwards it goes forward only.
 * @throws `InvalidRequest`: it is no document of `shelveGuest`; and as `adoptGuest`
 */
export async function unshelveGuest(
  host: WritableHost,
  document: MoveDocument,
  { directory, start }: UnshelveOptions,
  ctx: OpContext,
): Promise<Spawned> {
  if (document.kind !== "luksmith.shelf") throw notShelved(document);
  const { uuid } = document.instance;
  const afterwards: Step[] = [];
  // The document first: from then on nobody can take the guest from the shelf a second time.
  const own = join(directory, `${uuid}.json`);
  const written = await fileIdentity(own);
  if (written) {
    afterwards.push(sagaStep({ kind: "remove-file", data: { path: own, identity: written, erase: false } }));
  }
  for (const listed of document.disks) {
    const path = join(directory, basename(listed.path));
    const identity = await fileIdentity(path);
    if (!identity) throw missing(path, uuid);
    const { backend } = listed;
    const disk = diskToJson(listedDisk(document, listed));
    afterwards.push(sagaStep({ kind: "remove-copy", data: { backend, disk, path, identity } }));
  }
  return await adoptGuest(host, document, { from: directory, start }, ctx, { kind: "unshelve", afterwards });
}

function notShelved({ kind }: MoveDocument): LuksmithError {
  return new LuksmithError(
    "InvalidRequest",
    `this document is of the kind ${kind}, and not what "luksmith shelve" wrote; "luksmith move adopt" takes it`,
  );
}

function missing(path: string, uuid: string): LuksmithError {
  return new LuksmithError(
    "DiskNotFound",
    `${path} is not there; put the files of instance ${uuid} beside the document`,
    { details: { path, instance: uuid } },
  );
}
