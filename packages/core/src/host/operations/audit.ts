import { type AuditLine, decodeLine } from "../../audit/audit-line.ts";
import type { AuditHead } from "../../audit/audit-state.ts";
import { readSegments, unwritten } from "../../audit/read-audit.ts";
import { segmentFiles, segmentName } from "../../audit/segment-file.ts";
import {
  type AuditPoint,
  type AuditVerdict,
  type SegmentText,
  verifyAudit,
} from "../../audit/verify-audit.ts";
import type { ReadableHost } from "../host.ts";

export interface AuditVerifyOptions {
  /** Further files of the log, where some were moved away. Default: those in the log's directory. */
  readonly files?: readonly string[];
  /** Points that were noted elsewhere. */
  readonly expected?: readonly AuditPoint[];
  /** Older files are elsewhere, and that is right. */
  readonly partial?: boolean;
}

/** Which lines; all conditions count. */
export interface AuditSelection {
  /** ISO 8601, inclusive. */
  readonly since?: string;
  /** ISO 8601, exclusive. */
  readonly until?: string;
  /** The UUID of an instance, disk, snapshot or secret. */
  readonly about?: string;
  /** Only the last so many of those. */
  readonly last?: number;
}

export interface AuditExport {
  /** The end of the whole log, to keep and to compare with later. */
  readonly head: AuditPoint | undefined;
  /** Verbatim, so that their hashes can be checked. */
  readonly lines: readonly string[];
}

/**
 * Whether the audit log is whole and unchanged. Changes nothing; may be asked while others write.
 * @throws what keeps its files from being read
 */
export function verifyAuditLog(
  host: ReadableHost,
  { files = [], expected = [], partial = false }: AuditVerifyOptions = {},
): AuditVerdict {
  const state = host.auditState;
  return verifyAudit({
    files: filesOf(host, files, state?.head),
    head: state?.head,
    pending: state?.pending ?? [],
    expected,
    partial,
  });
}

/** Lines of the log, in order. @throws what keeps its files from being read */
export function exportAudit(host: ReadableHost, selection: AuditSelection = {}): AuditExport {
  const state = host.auditState;
  const lines: string[] = [];
  let after = 0;
  const take = (text: string): void => {
    const line = decodeLine(text)?.line;
    // A file that was moved away may have the next one's first lines too.
    if (!line || (line.log === state?.head.log && line.seq <= after)) return;
    after = line.seq;
    if (selects(selection, line, text)) lines.push(text);
  };
  for (const { text } of filesOf(host, [], state?.head)) for (const row of text.split("\n")) take(row);
  for (const { line } of state?.pending ?? []) take(line);
  const { last } = selection;
  const head = state && { seq: state.head.seq, hash: state.head.hash };
  return { head, lines: last === undefined ? lines : lines.slice(Math.max(0, lines.length - last)) };
}

/** The log's files as they were when it ended where `head` says. */
function* filesOf(
  host: ReadableHost,
  more: readonly string[],
  head: AuditHead | undefined,
): Iterable<SegmentText> {
  const directory = host.config.luksmith.audit_path;
  const last = head ? segmentName(head.segment) : undefined;
  const paths = segmentFiles(directory).filter((path) => {
    const name = path.slice(directory.length + 1);
    return last === undefined || name.slice(0, last.length) <= last;
  });
  let current = false;
  for (const file of readSegments([...new Set([...paths, ...more])], head?.segment)) {
    current ||= file.current;
    yield file.current && head ? asOf(head, file, host) : file;
  }
  if (head && !current) yield unwritten(directory, head.segment);
}

/** Without the lines that were written while it was being read. */
function asOf(head: AuditHead, file: SegmentText, host: ReadableHost): SegmentText {
  if (host.auditState?.head.seq === head.seq) return file;
  return { ...file, text: Buffer.from(file.text).subarray(0, head.bytes).toString("utf8") };
}

function selects({ since, until, about }: AuditSelection, { at }: AuditLine, text: string): boolean {
  if (since !== undefined && at < since) return false;
  if (until !== undefined && at >= until) return false;
  return about === undefined || text.includes(about);
}
