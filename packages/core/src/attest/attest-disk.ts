import { HEADER_BYTES, parseHeader } from "@luksmith/luks";
import { isLuksmithError } from "../errors/luksmith-error.ts";
import { headerFacts, type HeaderFacts } from "../image/header-facts.ts";
import type { HeaderStore } from "../image/header-store.ts";
import { hasHeader, type ImageDisk } from "../image/image-disk.ts";
import type { OpContext } from "../image/op-context.ts";
import type { StoredPayload } from "../image/stored-payload.ts";
import type { VerifyCheck, VerifyReport } from "../image/verify-report.ts";
import { sampleDisk, type SamplePlan, type Sampling } from "./sample-disk.ts";

/** What was seen of one disk: facts, not a verdict, which whoever reads them makes by `objections`. JSON. */
export type DiskAttestation = {
  readonly uuid: string;
  readonly instance: string;
  /** In disk_info. */
  readonly name: string;
  readonly backend: string;
  readonly path: string;
  readonly virtual_size: number;
  /** `luks`, `plain`, or null for a disk that is not encrypted. */
  readonly encryption_format: string | null;
  /** The file or image below it, of which it shows what it does not store itself; null: it stands alone. */
  readonly base: string | null;
  /** As `verify` has them: size, header, the stored passphrase opens it, a random one does not, … */
  readonly checks: readonly Pick<VerifyCheck, keyof VerifyCheck>[];
  /** Null: none, or it could not be read. */
  readonly header: AttestedHeader | null;
  /** Null: the storage could not be read, and `unread` says why. */
  readonly sampling: Sampling | null;
  readonly unread: string | null;
};

/** What receipts say of a header, and what it costs to guess a passphrase. */
export type AttestedHeader = Omit<HeaderFacts, "active_slots"> & {
  readonly hash: string;
  readonly digest_iterations: number;
  readonly key_slots: readonly { readonly slot: number; readonly iterations: number }[];
};

export interface AttestedStorage {
  readonly backend: string;
  readonly base: string | undefined;
  verify(): Promise<VerifyReport>;
  header(): Promise<HeaderStore>;
  payload(): Promise<StoredPayload>;
}

/** Looks at a disk as an auditor would: its header, what opens it, and what its storage shows without a key. Changes nothing. */
export async function attestDisk(
  disk: ImageDisk,
  storage: AttestedStorage,
  plan: SamplePlan,
  ctx: OpContext,
): Promise<DiskAttestation> {
  const { checks, path } = await storage.verify();
  const header = hasHeader(disk) ? await headerOf(storage, ctx) : null;
  const sampled = await sampleDisk(disk.virtualSize, () => storage.payload(), plan, ctx).catch(whyNot);
  const unread = typeof sampled === "string";
  return {
    uuid: disk.uuid,
    instance: disk.instanceUuid,
    name: disk.name,
    backend: storage.backend,
    path,
    virtual_size: Number(disk.virtualSize),
    encryption_format: disk.encryption?.format ?? null,
    base: storage.base ?? null,
    checks,
    header,
    sampling: unread ? null : sampled,
    unread: unread ? sampled : null,
  };
}

/** A disk that cannot be read is a finding; what stops the whole (a cancellation, our bug) is not. */
function whyNot(error: unknown): string {
  if (isLuksmithError(error) && error.category !== "cancelled" && error.category !== "internal")
    return error.message;
  throw error;
}

async function headerOf(storage: AttestedStorage, ctx: OpContext): Promise<AttestedHeader | null> {
  try {
    await using store = await storage.header();
    return describe(await store.read(0, HEADER_BYTES, ctx));
  } catch (error) {
    whyNot(error); // The check `header` says it.
    return null;
  }
}

function describe(bytes: Uint8Array): AttestedHeader {
  const { active_slots: slots, ...facts } = headerFacts(bytes);
  const { hashSpec: hash, digestIterations: digest_iterations, keySlots } = parseHeader(bytes);
  const key_slots = slots.map((slot) => ({ slot, iterations: keySlots[slot]?.iterations ?? 0 }));
  return { ...facts, hash, digest_iterations, key_slots };
}
