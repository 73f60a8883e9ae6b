import {
  closeSync,
  constants,
  fdatasyncSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { errnoOf } from "../errors/io-error.ts";

const NAME = /^audit-(\d{6,})\.jsonl/;

/** A line that the state database has and the file may not have yet. */
export interface PendingLine {
  readonly seq: number;
  /** Where in the segment's file its first byte belongs. */
  readonly start: number;
  readonly line: string;
}

/** The name of a segment's file. */
export function segmentName(segment: number): string {
  return `audit-${String(segment).padStart(6, "0")}.jsonl`;
}

/** The files of a log, oldest first, also those that logrotate has given other ends. */
export function segmentFiles(directory: string): readonly string[] {
  try {
    return readdirSync(directory)
      .filter((name) => NAME.test(name))
      .toSorted()
      .map((name) => join(directory, name));
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  }
}

/** The number of the last segment of which there is a file. */
export function lastSegment(directory: string): number {
  return Math.max(
    0,
    ...segmentFiles(directory).map((path) => Number(NAME.exec(path.slice(directory.length + 1))?.[1])),
  );
}

/** Bytes of a segment's file; undefined: there is none. */
export function segmentBytes(directory: string, segment: number): number | undefined {
  return lstatSync(join(directory, segmentName(segment)), { throwIfNoEntry: false })?.size;
}

/**
 * Puts lines where they belong. Idempotent: any process may write them, and again.
 * @returns the first of them in whose place something else was, beside what a killed process or a power cut leaves
 */
export function writeLines(
  directory: string,
  segment: number,
  lines: readonly PendingLine[],
  { check, sync }: { readonly check: boolean; readonly sync: boolean },
): number | undefined {
  if (lines.length === 0 && !sync) return undefined;
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;
  const fd = openSync(join(directory, segmentName(segment)), flags, 0o600);
  try {
    const changed = check ? lines.find((line) => holdsOther(fd, line))?.seq : undefined;
    const [first] = lines;
    if (first) writeAll(fd, Buffer.from(lines.map(({ line }) => `${line}\n`).join("")), first.start);
    if (sync) fdatasyncSync(fd);
    return changed;
  } finally {
    closeSync(fd);
  }
}

function holdsOther(fd: number, { start, line }: PendingLine): boolean {
  const right = Buffer.from(`${line}\n`);
  const length = Math.max(0, Math.min(right.length, fstatSync(fd).size - start));
  const there = Buffer.alloc(length);
  readSync(fd, there, 0, length, start);
  // What was not written back before a power cut reads as zeros.
  return there.some((byte, at) => byte !== 0 && byte !== right[at]);
}

function writeAll(fd: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length;) {
    done += writeSync(fd, bytes, done, bytes.length - done, position + done);
  }
}
