import type { HeaderStore } from "@luksmith/core";
import { Random } from "./random.ts";

const SECTOR = 512;

/** What was written between two syncs: of it, any sectors may be there after a power cut, and any not. */
export type Barrier = readonly { readonly offset: number; readonly bytes: Uint8Array }[];

/** Passes everything on to a store, and keeps what is written and where it was synced. */
export class RecordingStore implements HeaderStore {
  readonly #store: HeaderStore;
  readonly #barriers: Barrier[] = [];
  #open: { offset: number; bytes: Uint8Array }[] = [];

  constructor(store: HeaderStore) {
    this.#store = store;
  }

  /** With what was never synced as the last one. */
  get barriers(): readonly Barrier[] {
    return this.#open.length > 0 ? [...this.#barriers, this.#open] : this.#barriers;
  }

  read: HeaderStore["read"] = (...args) => this.#store.read(...args);

  write: HeaderStore["write"] = async (offset, bytes, ctx) => {
    this.#open.push({ offset, bytes: Uint8Array.from(bytes) });
    await this.#store.write(offset, bytes, ctx);
  };

  sync: HeaderStore["sync"] = async (ctx) => {
    await this.#store.sync(ctx);
    if (this.#open.length > 0) this.#barriers.push(this.#open);
    this.#open = [];
  };

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve(this.#store[Symbol.asyncDispose]());
  }
}

export interface TornState {
  /** The barrier that was cut, from 0 on. */
  readonly barrier: number;
  /** For messages. */
  readonly label: string;
  readonly area: Buffer;
}

/**
 * What may be on a disk after a power cut at any moment of a sequence of writes: all barriers before the cut one, and of that one
 * some of its sectors of 512 bytes. All subsets where there are few sectors; else those that end or begin at a sector, lack or have
 * one alone, and some at random.
 * @param stride 1: at each sector; n: at each n-th
 */
export function* tornStates(
  before: Uint8Array,
  barriers: readonly Barrier[],
  stride: number,
): Generator<TornState> {
  let area: Buffer = Buffer.from(before);
  for (const [barrier, writes] of barriers.entries()) {
    const after = applied(area, writes);
    const sectors = writtenSectors(writes);
    for (const [label, there] of subsets(sectors.length, stride)) {
      const torn = Buffer.from(area);
      for (const [index, sector] of sectors.entries()) {
        if (there(index)) after.copy(torn, sector * SECTOR, sector * SECTOR, (sector + 1) * SECTOR);
      }
      yield { barrier, label: `barrier ${barrier}, ${label} of ${sectors.length} sectors`, area: torn };
    }
    area = after;
  }
}

function applied(area: Buffer, writes: Barrier): Buffer {
  const after = Buffer.from(area);
  for (const { offset, bytes } of writes) after.set(bytes, offset);
  return after;
}

function writtenSectors(writes: Barrier): readonly number[] {
  const sectors = new Set<number>();
  for (const { offset, bytes } of writes) {
    for (let at = offset - (offset % SECTOR); at < offset + bytes.length; at += SECTOR)
      sectors.add(at / SECTOR);
  }
  return [...sectors];
}

type Subset = readonly [label: string, there: (index: number) => boolean];

function* subsets(count: number, stride: number): Generator<Subset> {
  if (count <= 8) {
    for (let mask = 0; mask < 1 << count; mask++) yield [`subset ${mask}`, (i) => ((mask >> i) & 1) === 1];
    return;
  }
  for (let at = 0; at <= count; at = at === count ? count + 1 : Math.min(at + stride, count)) {
    yield [`the first ${at}`, (i) => i < at];
    yield [`all but the first ${at}`, (i) => i >= at];
    yield [`only number ${at}`, (i) => i === at];
    yield [`all but number ${at}`, (i) => i !== at];
  }
  const random = new Random(count * 31 + stride);
  for (let round = 0; round < (stride === 1 ? 100 : 6); round++) {
    const chosen = Array.from({ length: count }, () => random.chance(0.5));
    yield [`random subset ${round}`, (i) => chosen[i] ?? false];
  }
}
