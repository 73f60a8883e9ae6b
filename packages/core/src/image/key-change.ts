import { randomFillSync } from "node:crypto";
import {
  activeAreaBytes,
  type GeneratedPassphrase,
  type HeaderWrite,
  type KeySlot,
  killKeySlot,
  type LuksHeader,
  type Passphrase,
  parseHeader,
  SECTOR,
  type VolumeKey,
} from "@luksmith/luks";
import { LuksmithError } from "../errors/luksmith-error.ts";
import type { HeaderStore } from "./header-store.ts";
import { writeInOrder } from "./header-writes.ts";
import type { ImageServices } from "./image-backend.ts";
import type { NamedDisk } from "./image-refusals.ts";
import type { OpContext } from "./op-context.ts";
import { requireUuid } from "./ownership.ts";
import { readHeader } from "./read-header.ts";
import type { Rollback, UndoRecord } from "./rollback.ts";

/** Where the header describes its key slots, and where in each the salt is (specification, section 2.1). */
const SLOTS_OFFSET = 208;
const SLOT_BYTES = 48;
const SALT_OFFSET = 8;

/** A key slot as it was filled once: whoever fills it again gives it another salt. */
export type KeySlotMark = {
  /** 0 to 7. */
  readonly keySlot: number;
  /** Hexadecimal; not secret, the header has it in clear. */
  readonly salt: string;
};

/** The passphrases of a change of keys, as the key manager has them. */
export interface KeyChange {
  readonly current: Passphrase;
  readonly next: GeneratedPassphrase;
}

/**
 * Lets one more passphrase open a disk, in a key slot that was free, and proves it by what the storage gives back. Key
 * material comes first and the header that points at it last, each durable: the current key opens the disk at any moment.
 * @returns the key slot that the current passphrase opens
 * @throws `LuksPassphraseRefused`, `LuksKeySlotUnavailable` (all eight are in use), `DiskReplaced`, `DiskNotProven`
 */
export async function addKey(
  named: NamedDisk,
  store: HeaderStore,
  { current, next }: KeyChange,
  { luks, policy }: ImageServices,
  undo: Rollback,
  ctx: OpContext,
): Promise<KeySlotMark> {
  const area = await readArea(store, ctx);
  const header = parseHeader(area);
  requireUuid(named, header);
  const opened = await luks.unlock(area, current);
  using volumeKey = opened.volumeKey;
  const iterations = policy.pbkdfIterations;
  const writes = await luks.addKeySlot(area, volumeKey, { passphrase: next, iterations });
  const added = filledSlot(header, writes);
  await undo.defer({ addedKey: added });
  await writeInOrder(store, writes, ctx);
  await proveKey(named, store, added, next, volumeKey, luks, ctx);
  return markOf(header, opened.keySlot);
}

async function proveKey(
  { label }: NamedDisk,
  store: HeaderStore,
  { keySlot }: KeySlotMark,
  next: Passphrase,
  volumeKey: VolumeKey,
  luks: ImageServices["luks"],
  ctx: OpContext,
): Promise<void> {
  const notProven = (cause?: unknown): LuksmithError =>
    new LuksmithError(
      "DiskNotProven",
      `the new key of ${label} does not open what its storage gives back; the old one stays, check the storage below it`,
      { details: { keySlot }, ...(cause === undefined ? {} : { cause }) },
    );
  const unlocked = await luks
    .unlock(await readArea(store, ctx), next, { keySlot })
    .catch((error: unknown) => Promise.reject(notProven(error)));
  using key = unlocked.volumeKey;
  if (key.use((a) => volumeKey.use((b) => Buffer.compare(a, b))) !== 0) throw notProven();
}

/**
 * Takes a key away for good: its key material is overwritten, then its slot disabled. Only once another key opens the disk.
 * Idempotent: a slot that was disabled or filled again is left alone.
 * @throws `LuksPassphraseRefused`, `DiskNotProven`: the disk would have no key that is stored
 */
export async function dropKey(
  named: NamedDisk,
  store: HeaderStore,
  mark: KeySlotMark,
  stored: Passphrase,
  luks: ImageServices["luks"],
  ctx: OpContext,
): Promise<void> {
  const area = await readArea(store, ctx);
  const header = parseHeader(area);
  requireUuid(named, header);
  if (!isMarked(header, mark)) return;
  const opened = await luks.unlock(area, stored);
  opened.volumeKey[Symbol.dispose]();
  if (opened.keySlot === mark.keySlot) {
    throw new LuksmithError(
      "DiskNotProven",
      `the stored key of ${named.label} is the one that was to be taken away; nothing was touched`,
      { details: { ...mark } },
    );
  }
  await writeInOrder(store, killKeySlot(area, mark.keySlot), ctx);
}

/** The key slot that an undo record of `addKey` names; undefined: it is somebody else's record. */
export function addedKeyOf({ addedKey }: UndoRecord): KeySlotMark | undefined {
  // Written above, and by nobody else.
  return addedKey === undefined ? undefined : (addedKey as KeySlotMark);
}

/** Takes back `addKey`, wherever it stopped. Idempotent; never touches a key slot that somebody else has filled. */
export async function undoAddedKey(
  { disk }: NamedDisk,
  store: HeaderStore,
  mark: KeySlotMark,
  ctx: OpContext,
): Promise<void> {
  const header = await readHeader(store, ctx);
  const slot = header.keySlots[mark.keySlot];
  if (header.uuid !== disk.uuid || !slot) return;
  if (slot.active) {
    if (!isMarked(header, mark)) return;
    const area = await readArea(store, ctx);
    await writeInOrder(store, killKeySlot(area, mark.keySlot), ctx);
    return;
  }
  const { offset, bytes } = randomMaterial(header, slot);
  const there = await store.read(offset, bytes.length, ctx);
  if (there.some((byte) => byte !== 0)) await writeInOrder(store, [{ offset, bytes }], ctx);
}

async function readArea(store: HeaderStore, ctx: OpContext): Promise<Uint8Array> {
  return store.read(0, activeAreaBytes(await readHeader(store, ctx)), ctx);
}

/**
 * Also where a power cut has torn the header between two sectors: the salt of slot 6 is in both, and each part that is there is
 * still that of this filling, which nobody else's salt has.
 */
function isMarked(header: LuksHeader, { keySlot, salt }: KeySlotMark): boolean {
  if (header.keySlots[keySlot]?.active !== true) return false;
  const found = markOf(header, keySlot).salt;
  // Digits of the salt in its first sector.
  const first = 2 * (SECTOR - (SLOTS_OFFSET + keySlot * SLOT_BYTES + SALT_OFFSET));
  if (first <= 0 || first >= salt.length) return found === salt;
  return found.slice(0, first) === salt.slice(0, first) || found.slice(first) === salt.slice(first);
}

/** Which slot the last of the writes, the header, fills. */
function filledSlot(before: LuksHeader, writes: readonly HeaderWrite[]): KeySlotMark {
  const after = parseHeader(writes.at(-1)?.bytes ?? new Uint8Array());
  const keySlot = after.keySlots.findIndex(({ active }, i) => active && !before.keySlots[i]?.active);
  return markOf(after, keySlot);
}

function markOf(header: LuksHeader, keySlot: number): KeySlotMark {
  const salt = header.keySlots[keySlot]?.salt ?? new Uint8Array();
  return { keySlot, salt: Buffer.from(salt).toString("hex") };
}

function randomMaterial({ keyBytes }: LuksHeader, { keyMaterialOffset, stripes }: KeySlot): HeaderWrite {
  const sectors = Math.ceil((keyBytes * stripes) / SECTOR);
  return { offset: keyMaterialOffset * SECTOR, bytes: randomFillSync(new Uint8Array(sectors * SECTOR)) };
}
