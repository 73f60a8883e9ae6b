import type { LuksHeader } from "../header/luks-header.ts";
import type { HeaderWrite } from "../header-write.ts";
import { type CipherNames, VolumeKey } from "../keys/volume-key.ts";
import type { Passphrase } from "../passphrase.ts";
import type { CopyEnd, Span } from "./copy-request.ts";
import type { WireError } from "./wire-error.ts";

/** A volume key on its way between threads, in a buffer of its own that the receiver wipes. */
export interface WireKey extends CipherNames {
  bytes: Uint8Array<ArrayBuffer>;
}

export interface WireEnd {
  fd: number;
  offset: number;
  volumeKey?: WireKey;
}

export interface FormatJob {
  kind: "format";
  uuid: string;
  payloadOffset: number;
  iterations: number;
  passphrase: Uint8Array<ArrayBuffer>;
  /** Whether an `unlock-formatted` will follow. */
  retain: boolean;
}

/** Makes a container for a disk to come, and opens it again: see `PreparedContainers`. */
export interface PrepareJob {
  kind: "prepare";
  iterations: number;
  passphrase: Uint8Array<ArrayBuffer>;
}

/** Opens what a format of the same thread made, without sending it forth and back. */
export interface UnlockFormattedJob {
  kind: "unlock-formatted";
  uuid: string;
  passphrase: Uint8Array<ArrayBuffer>;
}

export interface UnlockJob {
  kind: "unlock";
  area: Uint8Array<ArrayBuffer>;
  passphrase: Uint8Array<ArrayBuffer>;
  keySlot?: number;
}

export interface AddKeySlotJob {
  kind: "add-key-slot";
  area: Uint8Array<ArrayBuffer>;
  passphrase: Uint8Array<ArrayBuffer>;
  volumeKey: WireKey;
  iterations: number;
  keySlot?: number;
}

export interface CopyJob {
  kind: "copy";
  from: WireEnd | "zero";
  to: WireEnd;
  /** Bytes of the whole data. */
  length: number;
  spans: Span[];
  sparse: boolean;
  /** One `Int32` that becomes 1 when the copy is to stop. */
  cancel: SharedArrayBuffer;
}

/** Tells which units of a source hold data. */
export interface FindDataJob {
  kind: "find-data";
  from: WireEnd;
  /** Bytes of the whole data. */
  length: number;
  spans: Span[];
  /** Bytes. */
  unit: number;
  /** As a copy's. */
  cancel: SharedArrayBuffer;
}

/** Tells whether two ends hold the same data. */
export interface CompareJob {
  kind: "compare";
  from: WireEnd;
  to: WireEnd;
  /** Bytes of the whole data. */
  length: number;
  spans: Span[];
  /** As a copy's. */
  cancel: SharedArrayBuffer;
}

/** Jobs that take long, and a thread's buffers. */
export type BulkJob = CopyJob | FindDataJob | CompareJob;

export type Job = FormatJob | PrepareJob | UnlockFormattedJob | UnlockJob | AddKeySlotJob | BulkJob;

export function isBulk(job: Job): job is BulkJob {
  return job.kind === "copy" || job.kind === "find-data" || job.kind === "compare";
}

/** What each kind of job answers. */
export interface Results {
  format: { header: LuksHeader; writes: HeaderWrite[]; volumeKey: WireKey };
  prepare: Results["format"];
  "unlock-formatted": { volumeKey: WireKey; keySlot: number } | "not-kept";
  unlock: { volumeKey: WireKey; keySlot: number };
  "add-key-slot": HeaderWrite[];
  copy: { bytes: number };
  /** A byte for each unit from that of the first span's start on, 0: nothing but zeros. */
  "find-data": { found: Uint8Array<ArrayBuffer> };
  /** Bytes from the start of the data to the first that may differ; absent: the same. */
  compare: { first?: number };
}

export type Result = Results[keyof Results];

export interface JobMessage {
  id: number;
  job: Job;
}

export type ReplyMessage =
  | { id: number; result: Result }
  | { id: number; error: WireError }
  | { id: number; progress: number };

/** Copies a passphrase for a message; the buffer is transferred, so that no copy stays behind. */
export function wirePassphrase(passphrase: Passphrase): Uint8Array<ArrayBuffer> {
  return passphrase.use((bytes) => new Uint8Array(bytes));
}

/** Copies a volume key for a message. */
export function wireKey(volumeKey: VolumeKey): WireKey {
  const { cipherName, cipherMode } = volumeKey;
  return volumeKey.use((bytes) => ({ bytes: new Uint8Array(bytes), cipherName, cipherMode }));
}

/** Copies one side of a copy for a message. */
export function wireEnd({ fd, offset, volumeKey }: CopyEnd): WireEnd {
  const end = { fd, offset: Number(offset) };
  return volumeKey === undefined ? end : { ...end, volumeKey: wireKey(volumeKey) };
}

/** What a bulk job looks at to know whether to stop. */
export function newCancel(): SharedArrayBuffer {
  return new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
}

/** Makes the key of a message usable and wipes the message. */
export function unwireKey(key: WireKey): VolumeKey {
  return VolumeKey.take(key.bytes, key);
}

/** The secrets of a job: transferred with it, wiped if it is never sent. */
export function secretsOf(job: Job): Uint8Array<ArrayBuffer>[] {
  switch (job.kind) {
    case "format":
    case "prepare":
    case "unlock-formatted":
    case "unlock":
      return [job.passphrase];
    case "add-key-slot":
      return [job.passphrase, job.volumeKey.bytes];
    case "copy":
    case "find-data":
    case "compare":
      break;
  }
  const ends = job.kind === "find-data" ? [job.from] : [job.from, job.to];
  return ends.flatMap((end) => (end === "zero" || end.volumeKey === undefined ? [] : [end.volumeKey.bytes]));
}

/**
 * What a job takes along instead of copying it: its secrets, which must not stay behind, and the header area, which is
 * large.
 */
export function transfersOf(job: Job): ArrayBuffer[] {
  const area = job.kind === "unlock" || job.kind === "add-key-slot" ? [job.area] : [];
  return [...secretsOf(job), ...area].map(({ buffer }) => buffer);
}
