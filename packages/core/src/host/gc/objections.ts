import { isLuksmithError } from "../../errors/luksmith-error.ts";
import { fileIdentity } from "../../file/file-identity.ts";
import { diskFromJson, type ImageDisk } from "../../image/image-disk.ts";
import type { OpContext } from "../../image/op-context.ts";
import { sameIdentity } from "../../image/same-identity.ts";
import type { GoneRecord } from "../../journal/gone.ts";
import type { WritableHost } from "../host.ts";
import type { SagaStep } from "../operations/steps.ts";
import { copiesOf } from "./copies-of.ts";
import { neededSecrets } from "./world.ts";

/** What speaks against an act, for people. */
export const NEEDED = "something recorded needs it by now";
export const HERE = "the instance is here by now";

/** The place at least is looked at again: all of the storage was, a moment ago. */
export async function objectionToForgetting(
  host: WritableHost,
  gone: GoneRecord,
  ctx: OpContext,
): Promise<string | undefined> {
  const there = "something stands in the place of what it opened";
  if (gone.backend === undefined) return (await fileIdentity(gone.path)) ? there : undefined;
  if (host.inventory.instance(gone.instanceUuid)) return undefined;
  const image = (await host.services()).backend(gone.backend).image(diskOf(gone));
  return (await image.identify(ctx)) ? there : undefined;
}

/** The other passphrase must open the disk: this one may be the only one that does. @param superseded the disk's UUID */
export async function objectionToOther(
  host: WritableHost,
  superseded: string | undefined,
  ctx: OpContext,
): Promise<string | undefined> {
  const instances = host.inventory.instances();
  const disk = instances.flatMap(({ disks }) => disks).find(({ uuid }) => uuid === superseded);
  if (!disk) return "its disk has left this host meanwhile";
  const image = (await host.services()).backend(disk.backend).image(disk);
  return await image.requireOpens(ctx).then(
    () => undefined,
    (error: unknown) => `the disk's own passphrase was not shown to open it: ${messageOf(error)}`,
  );
}

/** What nothing opens stands there, and the very same that was erased. */
export async function objectionToRemoval(
  host: WritableHost,
  { disk, backend: name, identity }: Extract<SagaStep, { readonly kind: "remove" }>["data"],
  ctx: OpContext,
): Promise<string | undefined> {
  const { instanceUuid } = diskFromJson(disk);
  if (host.inventory.instance(instanceUuid)) return HERE;
  const backend = (await host.services()).backend(name);
  const found = await backend.image(diskFromJson(disk)).identify(ctx);
  if (!found || !identity || !sameIdentity(found, identity)) return "something else has its name by now";
  for await (const stored of backend.list?.(ctx) ?? []) {
    if (!sameIdentity(stored.identity, identity)) continue;
    return stored.keySlots === 0
      ? undefined
      : "it is not what its erasure left: somebody has restored it, or uses it";
  }
  return "it was not found again";
}

/** Secrets that something recorded needs at this moment. */
export function neededNow({ inventory }: WritableHost): ReadonlySet<string> {
  const instances = inventory.instances();
  const copying = instances.flatMap((instance) => copiesOf(inventory, instance));
  return neededSecrets({ instances, snapshots: inventory.snapshots(), copying });
}

export function diskOf({ instanceUuid, name, uuid, virtualSize, secretId }: GoneRecord): ImageDisk {
  return {
    instanceUuid,
    name,
    uuid,
    virtualSize,
    encryption: { format: "luks", secretId: secretId ?? null },
  };
}

function messageOf(error: unknown): string {
  return isLuksmithError(error) ? error.message : String(error);
}
