import { isLuksmithError } from "../../errors/luksmith-error.ts";
import type { OpContext } from "../../image/op-context.ts";
import type { DiskRecord } from "../../journal/inventory.ts";
import type { KeyManager } from "../../key-manager/key-manager.ts";

/** A disk with the project that its passphrase belongs to, where that is known. */
export type OwnedDisk = Pick<DiskRecord, "name" | "instanceUuid" | "path"> & {
  readonly encryption: DiskRecord["encryption"];
  readonly projectId: string | undefined;
};

/** What a key manager says of the disks' secrets. */
export interface SecretsOfDisks<D extends OwnedDisk> {
  /** It answered that there is none, to somebody who would see it. */
  readonly missing: readonly D[];
  /** It could not be asked, or not by this caller. */
  readonly unknown: readonly D[];
}

/** These answers tell nothing of whether a secret exists. */
const NOT_TOLD: ReadonlySet<string> = new Set(["TokenMissing", "TokenRefused", "PermissionDenied"]);

/**
 * Which disks have no secret any more. A list says what is there; only a question for that one secret says that it is not:
 * a key manager lists what the caller may see, and hides the rest without a word.
 * @throws what keeps the key manager from answering at all
 */
export async function missingSecrets<D extends OwnedDisk>(
  keys: KeyManager,
  disks: readonly D[],
  ctx: OpContext,
): Promise<SecretsOfDisks<D>> {
  const listed = new Set<string>();
  let scope: string | undefined;
  try {
    scope = await keys.scope?.(ctx);
    for await (const { id } of keys.list?.({}, ctx) ?? []) listed.add(id);
  } catch (error) {
    if (!isLuksmithError(error) || !NOT_TOLD.has(error.code)) throw error;
    return { missing: [], unknown: disks };
  }
  const missing: D[] = [];
  const unknown: D[] = [];
  for (const disk of disks) {
    const id = disk.encryption?.secretId;
    if (!id || listed.has(id)) continue;
    const visible = scope === undefined || disk.projectId === undefined || disk.projectId === scope;
    const state = visible ? await ask(keys, id, ctx) : "unknown";
    if (state === "missing") missing.push(disk);
    if (state === "unknown") unknown.push(disk);
  }
  return { missing, unknown };
}

async function ask(keys: KeyManager, id: string, ctx: OpContext): Promise<"there" | "missing" | "unknown"> {
  try {
    using _passphrase = await keys.get({ id }, ctx);
    return "there";
  } catch (error) {
    if (!isLuksmithError(error)) throw error;
    if (error.code === "EphemeralEncryptionSecretNotFound") return "missing";
    if (NOT_TOLD.has(error.code)) return "unknown";
    throw error;
  }
}
