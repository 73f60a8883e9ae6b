import { setImmediate as nextTurn } from "node:timers/promises";
import type { FormattedContainer, GeneratedPassphrase } from "@luksmith/luks";
import type { HeaderStore } from "./header-store.ts";
import type { ImageServices } from "./image-backend.ts";
import type { ImageDisk } from "./image-disk.ts";
import type { OpContext } from "./op-context.ts";
import { openByStoredPassphrase, proveEncrypted } from "./prove.ts";

/** What the backend has to do with a new container. */
export interface EncryptedDisk {
  readonly disk: ImageDisk;
  /** Sectors. */
  readonly payloadOffset: number;
  /** @param named see `AllocateImage` */
  readonly allocate: (container: Promise<FormattedContainer>, named: () => void) => Promise<void>;
  readonly header: () => Promise<HeaderStore>;
}

/**
 * Makes a container, lets the backend write it, and proves it by what the storage then gives back.
 * @throws `DiskNotProven`, and whatever the backend or the key manager throws
 */
export async function createEncrypted(
  { disk, payloadOffset, allocate, header }: EncryptedDisk,
  passphrase: GeneratedPassphrase,
  services: Pick<ImageServices, "keys" | "luks" | "policy">,
  ctx: OpContext,
): Promise<void> {
  const { luks, policy } = services;
  const proving = policy.verify === "unlock";
  const container = luks.format(
    { uuid: disk.uuid, payloadOffset, passphrase, iterations: policy.pbkdfIterations },
    { retain: proving },
  );
  // Opened by the passphrase as the key manager has it, while the storage is written and synced: let that begin first.
  const unlocked = proving
    ? nextTurn().then(() => openByStoredPassphrase(disk, container, services, ctx))
    : Promise.resolve(undefined);
  // Each may fail long before it is awaited, which Node would take for a crash.
  for (const early of [container, unlocked]) early.catch(() => undefined);
  let proof: Promise<void> | undefined;
  const prove = async (): Promise<void> => {
    await using store = await header();
    await proveEncrypted(disk, store, await container, unlocked, ctx);
  };
  try {
    await allocate(container, () => {
      proof ??= prove();
      proof.catch(() => undefined);
    });
    await (proof ?? prove());
  } finally {
    // The proof reads, and uses the keys, until it has settled.
    await Promise.allSettled([proof]);
    for (const settled of await Promise.allSettled([container, unlocked])) {
      if (settled.status === "fulfilled") settled.value?.volumeKey[Symbol.dispose]();
    }
  }
}
