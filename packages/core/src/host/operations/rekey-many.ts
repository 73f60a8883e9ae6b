import { isLuksmithError } from "../../errors/luksmith-error.ts";
import { hasHeader } from "../../image/image-disk.ts";
import { type OpContext, throwIfCancelled } from "../../image/op-context.ts";
import type { DiskRecord, InstanceRecord } from "../../journal/inventory.ts";
import type { KeyManager } from "../../key-manager/key-manager.ts";
import type { ReadableHost, WritableHost } from "../host.ts";
import { rekeyDisks } from "./rekey-disks.ts";
import { findInstance } from "./verify-disks.ts";

export interface RekeyMany {
  /** Of this instance only; undefined: of all. */
  readonly instance: string | undefined;
  /** Only disks whose passphrase was made before; undefined: each. */
  readonly olderThan: Date | undefined;
}

/** What became of one disk. As `--json` has it. */
export interface Rotated {
  readonly instance: string;
  readonly uuid: string;
  readonly name: string;
  /** `younger`: its passphrase was made later than asked for; `failed`: see `error`. */
  readonly outcome: "rekeyed" | "younger" | "failed";
  /** When the passphrase was made that it had, ISO 8601. */
  readonly passphrase_since: string;
  /** Of the one that it has now. */
  readonly encryption_secret_uuid: string | null;
  readonly error: { readonly code: string; readonly message: string } | null;
}

interface Candidate {
  readonly instance: InstanceRecord;
  readonly disk: DiskRecord;
  readonly since: string;
}

/**
 * Gives disks of many instances new passphrases, one after the other, each as `rekeyDisks` does. One that fails (its guest runs, its
 * user may not) does not keep the others. Killed in the middle, a second call with the same date goes on: what was done is younger.
 * @throws `Cancelled`, `InstanceNotFound`; what keeps the key manager from listing, with nothing changed
 */
export async function rekeyMany(
  host: WritableHost,
  { instance, olderThan }: RekeyMany,
  ctx: OpContext,
): Promise<readonly Rotated[]> {
  const { keys } = await host.services();
  const candidates = await candidatesOf(host, instance, keys, ctx);
  const rotated: Rotated[] = [];
  for (const candidate of candidates) {
    throwIfCancelled(ctx);
    const step = `rekey disk ${rotated.length + 1} of ${candidates.length}`;
    ctx.progress?.({ step, doneBytes: 0n, totalBytes: 0n });
    rotated.push(await rotate(host, candidate, olderThan, ctx));
  }
  return rotated;
}

async function rotate(
  host: WritableHost,
  { instance: { uuid }, disk, since }: Candidate,
  olderThan: Date | undefined,
  ctx: OpContext,
): Promise<Rotated> {
  const secret = disk.encryption?.secretId ?? null;
  const about = { instance: uuid, uuid: disk.uuid, name: disk.name, passphrase_since: since };
  const unchanged = { ...about, encryption_secret_uuid: secret };
  if (olderThan && new Date(since) >= olderThan) return { ...unchanged, outcome: "younger", error: null };
  try {
    const [rekeyed] = await rekeyDisks(host, findInstance(host, uuid), disk.name, ctx);
    return {
      ...about,
      outcome: "rekeyed",
      encryption_secret_uuid: rekeyed?.encryption?.secretId ?? null,
      error: null,
    };
  } catch (error) {
    throwIfCancelled(ctx);
    if (!isLuksmithError(error)) throw error;
    const { code, message } = error;
    ctx.log.warn({ instance: uuid, disk: disk.uuid, err: error }, "a disk could not be rekeyed");
    // The new one may be in force all the same (`EphemeralEncryptionCleanupFailed`).
    const now = host.inventory.instance(uuid)?.disks.find((each) => each.uuid === disk.uuid);
    const present = now?.encryption?.secretId ?? null;
    return { ...about, encryption_secret_uuid: present, outcome: "failed", error: { code, message } };
  }
}

/** Oldest passphrase first, so that what is cut short has done the most pressing. */
async function candidatesOf(
  host: ReadableHost,
  of: string | undefined,
  keys: KeyManager,
  ctx: OpContext,
): Promise<readonly Candidate[]> {
  const instances = of === undefined ? (host.inventory?.instances() ?? []) : [findInstance(host, of)];
  const made = await ages(keys, ctx);
  return instances
    .flatMap((instance) =>
      instance.disks.filter(hasHeader).map((disk) => {
        const since = made.get(disk.encryption?.secretId ?? "") ?? disk.createdAt;
        return { instance, disk, since };
      }),
    )
    .sort((a, b) => new Date(a.since).getTime() - new Date(b.since).getTime());
}

/**
 * When each secret was made, as the key manager has it: a disk may be older than its passphrase, or, after a rebuild, younger.
 * Of those that are not this caller's nothing is known, and the disk's own age counts.
 */
async function ages(keys: KeyManager, ctx: OpContext): Promise<ReadonlyMap<string, string>> {
  const made = new Map<string, string>();
  for await (const { id, createdAt } of keys.list?.({}, ctx) ?? []) made.set(id, createdAt);
  return made;
}
