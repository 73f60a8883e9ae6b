import type { FormattedContainer, GeneratedPassphrase } from "@luksmith/luks";
import { attestDisk, type DiskAttestation } from "../attest/attest-disk.ts";
import type { SamplePlan } from "../attest/sample-disk.ts";
import { LuksmithError } from "../errors/luksmith-error.ts";
import { createEncrypted } from "./create-encrypted.ts";
import type { ImageSource } from "./disk-content.ts";
import { eraseHeader } from "./erase-header.ts";
import { eraseAndProve, type Erasure } from "./erasure.ts";
import { type HeaderFacts, tryHeaderFacts } from "./header-facts.ts";
import { type DiskIdentity, hasHeader } from "./image-disk.ts";
import { ImagePlaces } from "./image-places.ts";
import * as refusals from "./image-refusals.ts";
import { addedKeyOf, addKey, dropKey, type KeySlotMark, undoAddedKey } from "./key-change.ts";
import { type OpContext, throwIfCancelled } from "./op-context.ts";
import { proveOurs } from "./ownership.ts";
import { requireStored } from "./prove.ts";
import { readHeader } from "./read-header.ts";
import type { Rollback, UndoRecord } from "./rollback.ts";
import { sameIdentity } from "./same-identity.ts";
import { verifyDisk } from "./verify.ts";
import type { VerifyReport } from "./verify-report.ts";

/** What every storage can read, and holds the whole LUKS header. */
const HEADER_SECTORS = 8;

export interface CreateImage {
  readonly source: ImageSource;
  /** The passphrase just made for this disk and already stored; absent for a plain disk. Stays the caller's. */
  readonly passphrase?: GeneratedPassphrase;
}

/** A passphrase that shall open a disk, and where it is stored already. */
export interface NewKey {
  /** Stays the caller's. */
  readonly passphrase: GeneratedPassphrase;
  readonly secretId: string;
}

/**
 * One guest disk on one backend. Policy stands here (capability check, keys, proof, refusal to touch what is not
 * ours), mechanism in the hooks that a backend implements; a backend never talks to a key manager.
 */
export abstract class Image extends ImagePlaces {
  /**
   * Makes the disk and proves it encrypted. Whatever fails, `undo` holds what is needed to take it back.
   * @throws `UnsupportedEncryptionFormat`, `DiskExists`, `NoSpace`, `DiskNotProven`, `Cancelled`
   */
  async create(request: CreateImage, undo: Rollback, ctx: OpContext): Promise<void> {
    this.requireEncryptionSupport();
    throwIfCancelled(ctx);
    const { source } = request;
    await using opened = await this.openSource(source, ctx);
    const { content, base } = opened;
    if (!this.disk.encryption) {
      const opaque = source.kind === "blank" && source.opaque === true;
      await this.allocate({ source, content, base, container: undefined, opaque }, undo, ctx);
      return;
    }
    const { passphrase } = request;
    if (!passphrase) {
      throw new LuksmithError(
        "InternalError",
        `${this.label} is to be encrypted, but no passphrase was made for it`,
      );
    }
    if (!hasHeader(this.disk)) {
      await requireStored(this, passphrase, this.services, ctx);
      await this.allocate({ source, content, base, container: undefined, passphrase }, undo, ctx);
      return;
    }
    const parts = {
      disk: this.disk,
      payloadOffset: this.payloadOffset,
      allocate: (container: Promise<FormattedContainer>, named: () => void) =>
        this.allocate({ source, content, base, container, named }, undo, ctx),
      header: () => this.header(ctx),
    };
    await createEncrypted(parts, passphrase, this.services, ctx);
  }

  /**
   * Makes sure that the stored passphrase opens the disk, if it is encrypted; changes nothing.
   * @throws `DiskNotFound`, `LuksPassphraseRefused`, `LuksHeaderInvalid`, and what keeps the key manager from answering
   */
  async requireOpens(ctx: OpContext): Promise<void> {
    if (!this.disk.encryption) return;
    using _unlocked = await this.unlock(ctx);
  }

  /**
   * Grows the disk to `virtualSize` bytes exactly; the new part reads as noise (as zeros on a plain disk). Idempotent.
   * @throws `CannotShrink`, `DiskInUse`, `DiskNotProven` (cut short), `LuksHeaderInvalid`, `UnsupportedOperation`
   */
  async resize(virtualSize: bigint, ctx: OpContext): Promise<void> {
    if (!this.capabilities.resize) throw refusals.unsupportedOperation(this, "resizing");
    const current = await this.actualSize(ctx);
    if (current < this.disk.virtualSize) throw refusals.wrongSize(this, current);
    if (virtualSize < current) throw refusals.cannotShrink(this, current, virtualSize);
    await this.requireIdle(ctx);
    // Growing a disk that nothing opens would only hide that.
    if (hasHeader(this.disk)) await this.readOurHeader(ctx);
    await this.grow(virtualSize, ctx);
  }

  /**
   * Lets a new passphrase open the disk beside the stored one, and proves it. `dropKey` then takes the old one away. The
   * disk's data and volume key stay as they are.
   * @param options `open`: a guest of this host's may have it open
   * @returns the key slot of the stored passphrase
   * @throws `UnsupportedOperation` (a plain disk), `DiskInUse`, `HeaderCopiesRemain`, `DiskReplaced`, `DiskNotProven`, `LuksPassphraseRefused`,
   * `LuksKeySlotUnavailable`, and what keeps the key manager from answering
   */
  async rekey(
    next: NewKey,
    undo: Rollback,
    ctx: OpContext,
    options: { readonly open?: boolean } = {},
  ): Promise<KeySlotMark> {
    const secretId = this.requireSecret();
    await this.requireKeysFree(options, ctx);
    await this.requireNoHeaderCopies(ctx);
    const { keys } = this.services;
    // All that is remote comes first: nobody waits for a key manager with a half changed header.
    using current = await keys.get({ id: secretId }, ctx);
    using stored = await keys.get({ id: next.secretId }, ctx);
    if (!stored.equals(next.passphrase)) {
      throw new LuksmithError(
        "DiskNotProven",
        `the key manager gives back another passphrase for ${this.label} than it was given; the disk was not touched, check the key manager`,
      );
    }
    await this.requireKeysFree(options, ctx);
    await using header = await this.header(ctx);
    return await addKey(this, header, { current, next: next.passphrase }, this.services, undo, ctx);
  }

  /**
   * Finishes a `rekey`: takes away the key slot that it gave, of a disk whose stored secret is the new one by now; its key material is
   * overwritten. Idempotent.
   * @param options as of `rekey`
   * @throws `DiskInUse`, `LuksPassphraseRefused`, `DiskNotProven`: the stored secret does not open it; nothing was touched
   */
  async dropKey(mark: KeySlotMark, ctx: OpContext, options: { readonly open?: boolean } = {}): Promise<void> {
    const id = this.requireSecret();
    using stored = await this.services.keys.get({ id }, ctx);
    await this.requireKeysFree(options, ctx);
    await using header = await this.header(ctx);
    await dropKey(this, header, mark, stored, this.services.luks, ctx);
  }

  /**
   * Makes sure that key slots may be written to.
   * @throws `DiskInUse`
   */
  async requireKeysFree({ open = false }: { readonly open?: boolean }, ctx: OpContext): Promise<void> {
    if (open && this.capabilities.rekeyOpen === true) return;
    await this.requireIdle(ctx);
  }

  /** Carries out what was deferred to a `Rollback`. Idempotent; touches only what the record proves to be its own. */
  async undo(record: UndoRecord, ctx: OpContext): Promise<void> {
    const added = addedKeyOf(record);
    if (!added) return await this.undoMade(record, ctx);
    await using header = await this.header(ctx);
    await undoAddedKey(this, header, added, ctx);
  }

  /** Looks whether the disk is what it should be; changes nothing. */
  async verify(ctx: OpContext): Promise<VerifyReport> {
    return verifyDisk(this.disk, this.path, this.services, ctx, {
      header: () => this.header(ctx),
      actualSize: () => this.actualSize(ctx),
    });
  }

  /** As `verify`, with the header's parameters and what the storage shows without a key. Changes nothing; its guest may run. */
  async attest(
    { backend, base }: { readonly backend: string; readonly base: string | undefined },
    plan: SamplePlan,
    ctx: OpContext,
  ): Promise<DiskAttestation> {
    const looks = {
      verify: () => this.verify(ctx),
      header: () => this.header(ctx),
      payload: () => this.payload(ctx),
    };
    return await attestDisk(this.disk, { backend, base, ...looks }, plan, ctx);
  }

  /**
   * Makes the content unreadable for good: every key slot disabled, its key material overwritten, synced.
   * Idempotent. Does nothing to a plain disk. Whoever has an older copy of the header and the passphrase can still read.
   */
  async erase(ctx: OpContext): Promise<void> {
    await this.requireIdle(ctx);
    await this.removeHeaderCopies(ctx);
    if (!hasHeader(this.disk)) return;
    await using header = await this.header(ctx);
    await eraseHeader(header, this.payloadOffset, ctx);
  }

  /**
   * Erases, shows that nothing opens the disk any more, then removes it if it still is `identity`. Idempotent: a disk that is
   * gone is success.
   * @param erased told of a disk with a header before it is removed; without it the stored passphrase is not tried
   * @throws `DiskReplaced`, `DiskInUse`; `DiskNotErased`: it was not removed
   */
  async remove(
    identity: DiskIdentity,
    ctx: OpContext,
    erased?: (erasure: Erasure) => Promise<void> | void,
  ): Promise<void> {
    const found = await this.identify(ctx);
    if (found && !sameIdentity(found, identity)) {
      throw refusals.diskReplaced(this, "it is not the one this removal began with");
    }
    if (found) {
      // A removal that recovery carries forward may find a guest that was started since.
      await this.requireIdle(ctx);
      // First: what is overwritten while a snapshot has it, stays in that.
      await this.removeHeaderCopies(ctx, identity);
      if (hasHeader(this.disk)) {
        const erasure = await this.eraseForGood(identity, erased !== undefined, ctx);
        await erased?.(erasure);
      }
    }
    // Also for a disk that is gone: a removal that was cut short may have left what was around it.
    await this.destroy(identity, ctx);
  }

  /**
   * The identity of the disk under this name, once proven to be ours: by the UUID in its header, or for a plain disk
   * by the identity recorded at its creation.
   * @throws `DiskReplaced`
   */
  async requireOurs(recorded: DiskIdentity | undefined, ctx: OpContext): Promise<DiskIdentity | undefined> {
    const found = await this.identify(ctx);
    if (!found) return undefined;
    await proveOurs(this, found, recorded, () => this.readOurHeader(ctx));
    return found;
  }

  /** What the disk's header says now, for receipts; undefined: it has none that can be read. */
  async headerFacts(ctx: OpContext): Promise<HeaderFacts | undefined> {
    if (!hasHeader(this.disk)) return undefined;
    await using header = await this.header(ctx);
    return tryHeaderFacts(await header.read(0, HEADER_SECTORS * 512, ctx));
  }

  /**
   * The disk's header and key material, up to the payload, as they are now; its guest may run.
   * @returns `offset`: where they begin in the storage, in bytes, where the backend knows
   * @throws `UnsupportedOperation`: it has none; `LuksHeaderInvalid`, `DiskNotFound`
   */
  async headerBackup(
    ctx: OpContext,
  ): Promise<{ readonly bytes: Uint8Array; readonly offset: number | undefined }> {
    this.requireSecret();
    await using header = await this.header(ctx);
    const { payloadOffset } = await readHeader(header, ctx);
    return { bytes: await header.read(0, payloadOffset * 512, ctx), offset: header.startsAt };
  }

  private async eraseForGood(expected: DiskIdentity, tried: boolean, ctx: OpContext): Promise<Erasure> {
    const { label, payloadOffset } = this;
    const secretId = tried ? (this.disk.encryption?.secretId ?? undefined) : undefined;
    await using header = await this.header(ctx, expected);
    return await eraseAndProve({ label, secretId, payloadOffset }, header, this.services, ctx);
  }
}
