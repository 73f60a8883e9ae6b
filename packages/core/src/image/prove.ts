import type { FormattedContainer } from "@luksmith/luks";
import { isLuksmithError, LuksmithError } from "../errors/luksmith-error.ts";
import type { HeaderStore } from "./header-store.ts";
import type { ImageServices } from "./image-backend.ts";
import type { ImageDisk } from "./image-disk.ts";
import type { OpContext } from "./op-context.ts";
import { unlockDisk } from "./unlock.ts";

/**
 * Shows that the disk is encrypted, from what the storage gives back: its header is the one made for it, and, under
 * the policy `unlock`, the passphrase as the key manager has it opens it to the same volume key.
 * @throws `DiskNotProven`
 */
export async function proveEncrypted(
  disk: ImageDisk,
  store: HeaderStore,
  container: FormattedContainer,
  services: ImageServices,
  ctx: OpContext,
): Promise<void> {
  const notProven = (why: string, cause?: unknown): LuksmithError =>
    new LuksmithError(
      "DiskNotProven",
      `${disk.name} of instance ${disk.instanceUuid} could not be proven encrypted: ${why}; it was removed again, check the storage below it`,
      { details: { disk: disk.name }, ...(cause === undefined ? {} : { cause }) },
    );
  for (const { offset, bytes } of container.writes) {
    const stored = await store.read(offset, bytes.length, ctx);
    if (Buffer.compare(stored, bytes) !== 0)
      throw notProven(`its storage does not give back byte ${offset} and on`);
  }
  if (services.policy.verify === "header") return;
  using opened = await unlockDisk(disk, store, services, ctx).catch((error: unknown) => {
    throw isOtherTrouble(error) ? error : notProven("the stored passphrase does not open it", error);
  });
  const same = opened.volumeKey.use((a) => container.volumeKey.use((b) => Buffer.compare(a, b) === 0));
  if (!same) throw notProven("the stored passphrase opens it to another volume key");
}

/** What says nothing about the disk: the caller stopped, or the key manager did not answer. */
function isOtherTrouble(error: unknown): boolean {
  return (
    isLuksmithError(error) &&
    (["cancelled", "unavailable", "timeout"].includes(error.category) || error.code === "PermissionDenied")
  );
}
