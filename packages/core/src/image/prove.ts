import type { FormattedContainer, Passphrase, Unlocked } from "@luksmith/luks";
import { isLuksmithError, LuksmithError } from "../errors/luksmith-error.ts";
import type { HeaderStore } from "./header-store.ts";
import type { ImageServices } from "./image-backend.ts";
import type { ImageDisk } from "./image-disk.ts";
import type { NamedDisk } from "./image-refusals.ts";
import type { OpContext } from "./op-context.ts";

/**
 * Opens a header that is being made (`retain`) with the passphrase as the key manager gives it. The caller disposes the
 * key.
 * @throws `EphemeralEncryptionSecretNotFound`, `LuksPassphraseRefused`, `KeyManagerUnavailable`
 */
export async function openByStoredPassphrase(
  disk: ImageDisk,
  container: Promise<FormattedContainer>,
  services: Pick<ImageServices, "keys" | "luks">,
  ctx: OpContext,
): Promise<Unlocked | undefined> {
  const secretId = disk.encryption?.secretId;
  if (!secretId) return undefined;
  using passphrase = await services.keys.get({ id: secretId }, ctx);
  return await services.luks.unlockFormatted(disk.uuid, passphrase, container);
}

/**
 * Shows that the disk is encrypted: what the storage gives back is, byte for byte, the header that was made for it, and
 * that header opens by the stored passphrase to the key its data is encrypted with.
 * @param opened what `openByStoredPassphrase` found of the same header
 * @throws `DiskNotProven`, and what kept the key manager from answering
 */
export async function proveEncrypted(
  disk: ImageDisk,
  store: HeaderStore,
  container: FormattedContainer,
  opened: Promise<Unlocked | undefined>,
  ctx: OpContext,
): Promise<void> {
  const notProven = (why: string, cause?: unknown): LuksmithError =>
    new LuksmithError(
      "DiskNotProven",
      `${disk.name} of instance ${disk.instanceUuid} could not be proven encrypted: ${why}; it was removed again, check the storage below it and the key manager`,
      { details: { disk: disk.name }, ...(cause === undefined ? {} : { cause }) },
    );
  await Promise.all(
    container.writes.map(async ({ offset, bytes }) => {
      const stored = await store.read(offset, bytes.length, ctx);
      if (Buffer.compare(stored, bytes) === 0) return;
      throw notProven(`its storage does not give back byte ${offset} and on`);
    }),
  );
  const unlocked = await opened.catch((error: unknown) => {
    throw isOtherTrouble(error) ? error : notProven("the stored passphrase does not open it", error);
  });
  const same = unlocked?.volumeKey.use((a) => container.volumeKey.use((b) => Buffer.compare(a, b) === 0));
  if (same === false) throw notProven("the stored passphrase opens it to another volume key");
}

/**
 * Makes sure that the key manager gives back what a disk without a header is about to be encrypted with: nothing on such a
 * disk shows later that a key is the wrong one.
 * @throws `DiskNotProven`; nothing was made
 */
export async function requireStored(
  { disk, label }: NamedDisk,
  passphrase: Passphrase,
  { keys }: Pick<ImageServices, "keys">,
  ctx: OpContext,
): Promise<void> {
  const id = disk.encryption?.secretId;
  if (!id) throw new LuksmithError("InternalError", `${label} has no secret`);
  using stored = await keys.get({ id }, ctx);
  if (stored.equals(passphrase)) return;
  throw new LuksmithError(
    "DiskNotProven",
    `the key manager gives back another key for ${label} than it was given; the disk was not made, check the key manager`,
    { details: { disk: disk.name } },
  );
}

/** What says nothing about the disk: the caller stopped, or the key manager did not answer. */
function isOtherTrouble(error: unknown): boolean {
  return (
    isLuksmithError(error) &&
    (["cancelled", "unavailable", "timeout"].includes(error.category) || error.code === "PermissionDenied")
  );
}
