import { isLuksmithError } from "../../errors/luksmith-error.ts";
import type { GuestKey } from "../../guest/hypervisor.ts";
import { hasHeader, isDecryptedByHost } from "../../image/image-disk.ts";
import type { OpContext } from "../../image/op-context.ts";
import type { InstanceRecord } from "../../journal/inventory.ts";
import { secretName } from "../../key-manager/key-manager.ts";
import type { ReadableHost } from "../host.ts";
import type { HostServices } from "../host-services.ts";

/** The key manager cannot be asked now; a key that the hypervisor has already is as good. */
const NOT_NOW: ReadonlySet<string> = new Set([
  "TokenMissing",
  "KeyManagerUnavailable",
  "IdentityUnavailable",
]);

/** What a guest needs to have its disks opened. */
export function guestKeys({ uuid, disks }: Pick<InstanceRecord, "uuid" | "disks">): readonly GuestKey[] {
  const own = disks.flatMap((disk): GuestKey[] => {
    // The host opens it before the hypervisor sees it: what has no header always, others where it is told to.
    const secretId =
      hasHeader(disk) && !isDecryptedByHost(disk.source) ? disk.encryption?.secretId : undefined;
    return secretId ? [{ secretId, use: { kind: "disk", instanceUuid: uuid, diskUuid: disk.uuid } }] : [];
  });
  const bases = new Set(disks.flatMap(({ source }) => source.backing?.secretId ?? []));
  return [...own, ...[...bases].map((secretId): GuestKey => ({ secretId, use: { kind: "base" } }))];
}

/** Those that go with a guest: all but the keys of bases on which other instances stand. */
export function keysOfOneGuest(
  host: ReadableHost,
  instance: Pick<InstanceRecord, "uuid" | "disks">,
): readonly GuestKey[] {
  const others = host.inventory?.instances().filter(({ uuid }) => uuid !== instance.uuid) ?? [];
  const shared = new Set(
    others.flatMap(({ disks }) => disks.flatMap(({ source }) => source.backing?.secretId ?? [])),
  );
  return guestKeys(instance).filter(({ secretId, use }) => use.kind === "disk" || !shared.has(secretId));
}

/** The names of the keys that the hypervisor has, of all guests; for `giveKeys`. */
export async function presentKeys(
  { hypervisor }: HostServices,
  ctx: OpContext,
): Promise<ReadonlySet<string>> {
  return new Set((await hypervisor.keys(ctx)).map(nameOf));
}

/**
 * Gives the hypervisor every key of a guest, each as the key manager has it now. Idempotent. One that the key manager
 * cannot be asked for now may stay as the hypervisor has it.
 * @param which `absent`: leaves those alone that it has, or those that it had when it was asked
 * @returns how many were given
 * @throws `EphemeralEncryptionSecretNotFound`, `TokenMissing`, `PermissionDenied`, `SecretUsageConflict`, …
 */
export async function giveKeys(
  services: HostServices,
  instance: Pick<InstanceRecord, "uuid" | "disks">,
  which: "all" | "absent" | { readonly present: ReadonlySet<string> },
  ctx: OpContext,
): Promise<number> {
  const { hypervisor, keys } = services;
  const wanted = guestKeys(instance);
  if (wanted.length === 0) return 0;
  const present = typeof which === "object" ? which.present : await presentKeys(services, ctx);
  let given = 0;
  for (const key of wanted) {
    const there = present.has(nameOf(key));
    if (there && which !== "all") continue;
    try {
      using passphrase = await keys.get({ id: key.secretId }, ctx);
      await hypervisor.giveKey(key, passphrase, ctx);
      if (key.use.kind === "disk") {
        const name = secretName(key.use.instanceUuid, key.use.diskUuid);
        await services.copies.renew(key.secretId, name, passphrase, ctx);
      }
      given++;
    } catch (error) {
      if (!there || !isLuksmithError(error) || !NOT_NOW.has(error.code)) throw error;
      ctx.log.info({ secretId: key.secretId, code: error.code }, "using the key that the hypervisor has");
    }
  }
  return given;
}

function nameOf({ secretId, use }: GuestKey): string {
  return use.kind === "disk" ? `${secretId} ${use.instanceUuid} ${use.diskUuid}` : secretId;
}
