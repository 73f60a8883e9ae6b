import { LuksmithError, type OpContext, type StandingHooks, throwIfCancelled } from "@luksmith/core";
import { OpenImage } from "./ceph/open-image.ts";
import type { RbdCluster } from "./ceph/rbd-cluster.ts";
import { inParallel } from "./in-parallel.ts";

/** What is copied with one request. */
const PART = 4 * 1024 * 1024;
const AT_A_TIME = 8;

interface Parent {
  /** `POOL[/NAMESPACE]/IMAGE@SNAPSHOT` */
  readonly parent: string | null;
  readonly id: string;
  /** Bytes of the disk, from its beginning, that may be the parent's. */
  readonly overlap: number;
  /** Bytes of them that are its own already: where, and how many. */
  readonly own: readonly (readonly [at: number, length: number])[];
}

/** A disk that may be a clone, of whatever image; of an encrypted one what is copied is ciphertext. */
export class RbdClone implements StandingHooks {
  readonly #cluster: RbdCluster;
  readonly #name: string;
  readonly #label: string;
  /** For what goes through all objects, ms. */
  readonly #timeoutMs: number;

  constructor(cluster: RbdCluster, name: string, label: string, timeoutMs: number) {
    this.#cluster = cluster;
    this.#name = name;
    this.#label = label;
    this.#timeoutMs = timeoutMs;
  }

  async standsOn(ctx: OpContext): Promise<string | undefined> {
    const { parent } = await this.#parent(ctx);
    return parent === null ? undefined : `rbd:${parent}`;
  }

  /** Object by object, which librbd's own `flatten` does too: but that can neither be watched nor ended. */
  async absorb(ctx: OpContext): Promise<void> {
    const { parent, id, overlap, own } = await this.#parent(ctx);
    if (parent === null) return;
    const what = `flattening ${this.#label}`;
    const opened = await OpenImage.open(this.#cluster, this.#name, { what }, ctx);
    await using image = opened.image;
    if (image.id !== id) {
      throw new LuksmithError(
        "DiskReplaced",
        `${this.#label} was replaced while it was looked at; try again`,
      );
    }
    const parts = [...partsOf(overlap, own)];
    const totalBytes = BigInt(parts.reduce((sum, { length }) => sum + length, 0));
    let doneBytes = 0n;
    const report = (): void => ctx.progress?.({ step: what, doneBytes, totalBytes });
    report();
    await inParallel(parts, AT_A_TIME, async ({ offset, length }) => {
      throwIfCancelled(ctx);
      await image.own(offset, length, ctx);
      doneBytes += BigInt(length);
      report();
    });
    throwIfCancelled(ctx);
    await image.detach(this.#timeoutMs, ctx);
  }

  /** What was copied before it was cut short is the disk's own, and no loss. */
  async mend(): Promise<void> {}

  #parent(ctx: OpContext): Promise<Parent> {
    const request = { what: `looking what ${this.#label} stands on`, timeoutMs: this.#timeoutMs };
    return this.#cluster.call("parent", { name: this.#name }, request, ctx);
  }
}

/** Parts of a disk up to `end` that are not its own. */
function* partsOf(
  end: number,
  own: Parent["own"],
): Generator<{ readonly offset: number; readonly length: number }, undefined> {
  let at = 0;
  for (const [start, length] of [...own, [end, 0] as const].toSorted(([a], [b]) => a - b)) {
    for (; at < Math.min(start, end); at += PART) {
      yield { offset: at, length: Math.min(PART, Math.min(start, end) - at) };
    }
    at = Math.max(at > start ? start : at, start + length);
  }
}
