import { activeAreaBytes, type Passphrase, type VolumeKey } from "@luksmith/luks";
import { LuksmithError } from "../errors/luksmith-error.ts";
import type { HeaderStore } from "./header-store.ts";
import type { ImageServices } from "./image-backend.ts";
import type { ImageDisk } from "./image-disk.ts";
import type { OpContext } from "./op-context.ts";
import { readHeader } from "./read-header.ts";

/** What opens a disk: for our own cipher the volume key, for external tools the passphrase. Disposal wipes both. */
export interface UnlockedDisk extends Disposable {
  readonly volumeKey: VolumeKey;
  readonly passphrase: Passphrase;
}

/**
 * Opens a disk with the passphrase in the key manager. The caller disposes what it gets.
 * @throws `EphemeralEncryptionSecretNotFound`, `LuksPassphraseRefused`, `LuksHeaderInvalid`, `KeyManagerUnavailable`
 */
export async function unlockDisk(
  disk: ImageDisk,
  store: HeaderStore,
  services: ImageServices,
  ctx: OpContext,
): Promise<UnlockedDisk> {
  const secretId = disk.encryption?.secretId;
  if (!secretId) {
    throw new LuksmithError(
      "InternalError",
      `${disk.name} has no secret; there is nothing to unlock it with`,
    );
  }
  const area = await store.read(0, activeAreaBytes(await readHeader(store, ctx)), ctx);
  const passphrase = await services.keys.get({ id: secretId }, ctx);
  try {
    const { volumeKey } = await services.luks.unlock(area, passphrase);
    return {
      volumeKey,
      passphrase,
      [Symbol.dispose]: () => {
        volumeKey[Symbol.dispose]();
        passphrase[Symbol.dispose]();
      },
    };
  } catch (error) {
    passphrase[Symbol.dispose]();
    throw error;
  }
}
