import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { basename, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { errnoOf, ioError } from "../errors/io-error.ts";
import type { SegmentText } from "./verify-audit.ts";
import { segmentName } from "./segment-file.ts";

const HEAD_BYTES = 64 * 1024;

/** Files of a log in the order of their first lines, whatever they are called; read one at a time. `.gz` is unpacked. */
export function* readSegments(
  paths: readonly string[],
  currentSegment: number | undefined,
): Iterable<SegmentText> {
  const current = currentSegment === undefined ? undefined : segmentName(currentSegment);
  const sorted = paths
    .map((path) => ({ path, first: firstNumber(path) }))
    .toSorted((a, b) => a.first - b.first || (a.path < b.path ? -1 : 1));
  for (const { path } of sorted) {
    const name = basename(path);
    yield { name: path, text: textOf(path), current: name === current };
  }
}

/** The current segment's file has not been made yet: what is in the state database stands for it. */
export function unwritten(directory: string, segment: number): SegmentText {
  return { name: join(directory, segmentName(segment)), text: "", current: true };
}

function textOf(path: string): string {
  try {
    const bytes = readFileSync(path);
    return (path.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8");
  } catch (error) {
    throw errnoOf(error) ? ioError(error, `reading ${path}`) : error;
  }
}

/** Undecodable: last. */
function firstNumber(path: string): number {
  const text = path.endsWith(".gz") ? textOf(path).slice(0, HEAD_BYTES) : headOf(path);
  const [, seq] = /"seq":(\d+)/.exec(text) ?? [];
  return seq === undefined ? Number.POSITIVE_INFINITY : Number(seq);
}

function headOf(path: string): string {
  const fd = openSync(path, "r");
  try {
    const bytes = Buffer.alloc(HEAD_BYTES);
    return bytes.subarray(0, readSync(fd, bytes)).toString("utf8");
  } finally {
    closeSync(fd);
  }
}
