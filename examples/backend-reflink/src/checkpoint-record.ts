import { LuksmithError, type LuksHeader } from "@luksmith/core";
import * as z from "zod";

/** What stands at the beginning of a checkpoint, where its disk has the header: what tells whose it is. No secret. */
const StoredRecord = z.strictObject({
  format: z.literal("luksmith-reflink-checkpoint-1"),
  /** The disk's. */
  uuid: z.string(),
  /** Of the volume key: a disk that was made anew under its UUID has another. */
  keyDigest: z.string(),
  /** Sectors. */
  payloadOffset: z.int().positive(),
  createdAt: z.iso.datetime(),
});

export type CheckpointRecord = z.output<typeof StoredRecord>;

export const RECORD_BYTES = 4096;

export function recordOf(header: LuksHeader): CheckpointRecord {
  return {
    format: "luksmith-reflink-checkpoint-1",
    uuid: header.uuid,
    keyDigest: digestOf(header),
    payloadOffset: header.payloadOffset,
    createdAt: new Date().toISOString(),
  };
}

export function recordToBytes(record: CheckpointRecord): Uint8Array {
  const bytes = Buffer.alloc(RECORD_BYTES);
  bytes.write(`${JSON.stringify(record)}\n`);
  return bytes;
}

/** @throws `ImageUnacceptable` */
export function recordFromBytes(bytes: Uint8Array, path: string): CheckpointRecord {
  try {
    const text = Buffer.from(bytes).toString("utf8");
    return StoredRecord.parse(JSON.parse(text.slice(0, text.indexOf("\n"))));
  } catch (error) {
    throw new LuksmithError("ImageUnacceptable", `${path} is no checkpoint, and was not touched`, {
      cause: error,
      details: { path },
    });
  }
}

/** Whether a checkpoint can be read with the key of the disk as it is now. */
export function fits(record: CheckpointRecord, header: LuksHeader): boolean {
  return (
    record.uuid === header.uuid &&
    record.keyDigest === digestOf(header) &&
    record.payloadOffset === header.payloadOffset
  );
}

function digestOf({ digest }: LuksHeader): string {
  return Buffer.from(digest).toString("hex");
}
