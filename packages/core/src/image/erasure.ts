import { randomFillSync } from "node:crypto";
import { eraseKeySlots, HEADER_BYTES, type HeaderWrite, type Passphrase, parseHeader } from "@luksmith/luks";
import { isLuksmithError, LuksmithError } from "../errors/luksmith-error.ts";
import { activeSlots, type HeaderFacts, tryHeaderFacts } from "./header-facts.ts";
import type { HeaderStore } from "./header-store.ts";
import type { ImageServices } from "./image-backend.ts";
import type { OpContext } from "./op-context.ts";

const SECTOR = 512;
/** The header with what is unused before the first key material. */
const HEADER_AREA = 4096;

/** What became of one attempt to open what was erased. */
export type Attempt = "refused" | "not tried";

/** What was done to a disk's header, and what was seen afterwards. JSON; a receipt has it word for word. */
export type Erasure = {
  /** ISO 8601, when the last overwriting was durable. */
  readonly at: string;
  /** As it was found; null: it was none any more, and all of its area was overwritten. */
  readonly header: HeaderFacts | null;
  /** Bytes from the header's first on, each overwritten with random ones. */
  readonly overwritten: readonly { readonly offset: number; readonly length: number }[];
  readonly proof: {
    /** What the storage gave back of each was, byte for byte, what had been written. */
    readonly read_back: true;
    /** Key slots that were still enabled. */
    readonly active_slots: 0;
    /** The stored passphrase on what is there. */
    readonly stored_passphrase: Attempt;
    /** The stored passphrase on the header from before, put before the key material that is there. */
    readonly with_header_from_before: Attempt;
    /** Why something was not tried. */
    readonly reason: string | null;
  };
};

export interface EraseTarget {
  /** For messages. */
  readonly label: string;
  /** Of the passphrase that is to be refused; undefined: the disk has none. */
  readonly secretId: string | undefined;
  /** Sectors; all before it is overwritten where the header tells nothing. */
  readonly payloadOffset: number;
}

type Services = Pick<ImageServices, "keys" | "luks" | "policy">;

/**
 * Makes a disk unreadable for good and shows it: every key slot disabled, its key material overwritten, all of that
 * durable; then what the storage gives back is compared and tried; then the header itself is overwritten. Killed anywhere,
 * a second call does it again, on what is left.
 * @throws `DiskNotErased`: the storage gives back something else, or something opens it still
 */
export async function eraseAndProve(
  target: EraseTarget,
  store: HeaderStore,
  services: Services,
  ctx: OpContext,
): Promise<Erasure> {
  const before = await store.read(0, target.payloadOffset * SECTOR, ctx);
  const header = tryHeaderFacts(before) ?? null;
  // Before anything is touched: whoever cannot be asked then is not waited for with a half erased disk.
  const { passphrase, reason } = await storedPassphrase(target, services, ctx);
  using stored = passphrase;
  const writes = header ? eraseKeySlots(before) : [randomWrite(0, before.length)];
  await writeAndReadBack(target, store, writes, ctx);
  const after = await store.read(0, before.length, ctx);
  requireNoSlot(target, after);
  const trial = { target, services };
  const onDisk = stored ? await tryToOpen(trial, after, stored) : "not tried";
  const withOld = stored && header ? await tryToOpen(trial, underHeader(before, after), stored) : "not tried";
  const last = randomWrite(0, Math.min(HEADER_AREA, before.length));
  await writeAndReadBack(target, store, [last], ctx);
  return {
    at: new Date().toISOString(),
    header,
    overwritten: [...writes.filter(({ offset }) => offset !== 0 || !header), last].map(
      ({ offset, bytes }) => ({ offset, length: bytes.length }),
    ),
    proof: {
      read_back: true,
      active_slots: 0,
      stored_passphrase: onDisk,
      with_header_from_before: withOld,
      reason: reason ?? (withOld === "not tried" ? "there was no header any more that could be tried" : null),
    },
  };
}

async function storedPassphrase(
  { secretId }: EraseTarget,
  { keys, policy }: Services,
  ctx: OpContext,
): Promise<{ readonly passphrase: Passphrase | undefined; readonly reason?: string }> {
  if (secretId === undefined) return { passphrase: undefined, reason: "no passphrase is known" };
  if (policy.verify === "header") {
    return { passphrase: undefined, reason: "[luksmith] verify = header leaves it out" };
  }
  try {
    return { passphrase: await keys.get({ id: secretId }, ctx) };
  } catch (error) {
    if (!isLuksmithError(error) || error.category === "cancelled") throw error;
    return { passphrase: undefined, reason: `the key manager did not give the passphrase: ${error.code}` };
  }
}

/** Durable before it is looked at. */
async function writeAndReadBack(
  target: EraseTarget,
  store: HeaderStore,
  writes: readonly HeaderWrite[],
  ctx: OpContext,
): Promise<void> {
  for (const { offset, bytes } of writes) await store.write(offset, bytes, ctx);
  await store.sync(ctx);
  for (const { offset, bytes } of writes) {
    const there = await store.read(offset, bytes.length, ctx);
    if (Buffer.compare(there, bytes) === 0) continue;
    throw notErased(target, `its storage does not give back what was written from byte ${offset} on`);
  }
}

function requireNoSlot(target: EraseTarget, area: Uint8Array): void {
  let slots: readonly number[] = [];
  try {
    slots = activeSlots(parseHeader(area));
  } catch (error) {
    // It is no header any more: nothing has slots.
    if (!isLuksmithError(error)) throw error;
  }
  if (slots.length > 0) throw notErased(target, `key slots ${slots.join(", ")} are still enabled`);
}

async function tryToOpen(
  { target, services }: { readonly target: EraseTarget; readonly services: Services },
  area: Uint8Array,
  passphrase: Passphrase,
): Promise<Attempt> {
  try {
    const { volumeKey } = await services.luks.unlock(area, passphrase);
    volumeKey[Symbol.dispose]();
  } catch (error) {
    if (!isLuksmithError(error)) throw error;
    if (error.code === "LuksPassphraseRefused" || error.code.startsWith("LuksHeader")) return "refused";
    if (error.code === "LuksCipherUnsupported" || error.code === "LuksVersionUnsupported") return "not tried";
    throw error;
  }
  throw notErased(target, "the stored passphrase still opens it");
}

function underHeader(before: Uint8Array, after: Uint8Array): Uint8Array {
  const area = Uint8Array.from(after);
  area.set(before.subarray(0, HEADER_BYTES));
  return area;
}

function randomWrite(offset: number, length: number): HeaderWrite {
  return { offset, bytes: randomFillSync(new Uint8Array(length)) };
}

function notErased({ label }: EraseTarget, why: string): LuksmithError {
  return new LuksmithError(
    "DiskNotErased",
    `${label} could not be shown to be erased: ${why}; it stays, and so does its passphrase; check the storage below it, then run "luksmith recover"`,
  );
}
