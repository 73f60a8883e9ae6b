import { type AuditLine, decodeLine, NO_HASH } from "./audit-line.ts";
import type { AuditHead } from "./audit-state.ts";
import type { PendingLine } from "./segment-file.ts";

export interface AuditFinding {
  /** `note`: not as usual, and explained; the log is whole all the same. */
  readonly severity: "error" | "note";
  readonly code: AuditFindingCode;
  readonly message: string;
  readonly file?: string;
  /** Counted from 1. */
  readonly line?: number;
  readonly seq?: number;
}

export type AuditFindingCode =
  | "altered"
  | "broken-chain"
  | "missing"
  | "out-of-order"
  | "duplicate"
  | "forked"
  | "other-log"
  | "not-a-line"
  | "torn-line"
  | "no-log"
  | "beginning-missing"
  | "end-missing"
  | "head-differs"
  | "beyond-head"
  | "not-as-expected"
  | "mended"
  | "moved"
  | "lost"
  | "unfinished"
  | "overlap"
  | "clock-back";

/** A point of the log that somebody has kept elsewhere. */
export interface AuditPoint {
  readonly seq: number;
  readonly hash: string;
}

export interface AuditVerdict {
  readonly ok: boolean;
  readonly lines: number;
  readonly first?: AuditPoint & { readonly at: string };
  readonly last?: AuditPoint & { readonly at: string };
  readonly findings: readonly AuditFinding[];
}

export interface AuditEvidence {
  /** In the order of their first lines. */
  readonly files: Iterable<SegmentText>;
  /** Absent: the state database is not at hand, and nothing tells where the log ends. */
  readonly head?: AuditHead | undefined;
  readonly pending?: readonly PendingLine[];
  /** Points that were noted elsewhere: of all there is, only they tell of a log that was rewritten as a whole. */
  readonly expected?: readonly AuditPoint[];
  /** Older files are elsewhere, and that is right. */
  readonly partial?: boolean;
}

export interface SegmentText {
  readonly name: string;
  readonly text: string;
  /** The file that the head points into. */
  readonly current: boolean;
}

/** What the log tells of itself that whoever reads it should know. */
const TOLD: Readonly<Record<string, Pick<AuditFinding, "severity" | "code">>> = {
  "audit.mended": { severity: "error", code: "mended" },
  "audit.lost": { severity: "error", code: "lost" },
};

/** Whether a log is whole and unchanged, and what is wrong with it; goes on after what is wrong. */
export function verifyAudit(evidence: AuditEvidence): AuditVerdict {
  const chain = new Chain(evidence);
  for (const file of evidence.files) chain.file(file);
  return chain.end();
}

class Chain {
  readonly #evidence: AuditEvidence;
  readonly #findings: AuditFinding[] = [];
  /** Hashes of the lines that were seen in their place, by number: for the points to compare with. */
  readonly #hashes = new Map<number, string>();
  readonly #points: ReadonlySet<number>;
  #log: string | undefined;
  #lines = 0;
  #first: AuditLine | undefined;
  #last: AuditLine | undefined;
  /** Of the file at hand: the number of its first line, and where that is, to tell overlaps from duplicates. */
  #fileFirst: number | undefined;
  #before: { readonly last: number | undefined; readonly recent: Map<number, string> } = {
    last: undefined,
    recent: new Map(),
  };
  #recent = new Map<number, string>();

  constructor(evidence: AuditEvidence) {
    this.#evidence = evidence;
    this.#log = evidence.head?.log;
    this.#points = new Set([
      ...(evidence.expected ?? []).map(({ seq }) => seq),
      ...(evidence.head ? [evidence.head.seq] : []),
    ]);
  }

  file({ name: file, text, current }: SegmentText): void {
    this.#fileFirst = undefined;
    this.#before = { last: this.#last?.seq, recent: this.#recent };
    this.#recent = new Map();
    const whole = current ? this.#withPending(file, text) : text;
    const rows = whole.split("\n");
    const rest = rows.pop() ?? "";
    rows.forEach((row, at) => this.#row(row, file, at + 1));
    if (rest === "") return;
    const line = rows.length + 1;
    this.#tell("error", "torn-line", "the last line has no end, and no killed process of ours left it so", {
      file,
      line,
    });
  }

  end(): AuditVerdict {
    const { head, expected = [], partial = false } = this.#evidence;
    const first = this.#first;
    const last = this.#last;
    if (!first && head)
      this.#tell("error", "no-log", `the log should have ${head.seq} lines, and there is none`);
    if (first && first.seq !== 1 && !partial) {
      this.#tell(
        "error",
        "beginning-missing",
        `it begins with line ${first.seq}; files before that are not here`,
        { seq: first.seq },
      );
    }
    if (head && last && last.seq < head.seq) {
      this.#tell("error", "end-missing", `it ends with line ${last.seq}, and line ${head.seq} was written`, {
        seq: last.seq,
      });
    }
    if (head && last && last.seq > head.seq) {
      this.#tell("error", "beyond-head", `it goes on after line ${head.seq}, the last that Luksmith wrote`, {
        seq: head.seq,
      });
    }
    if (head) this.#compare(head, "head-differs", "the state database");
    for (const point of expected) this.#compare(point, "not-as-expected", "the point to compare with");
    return {
      ok: this.#findings.every(({ severity }) => severity === "note"),
      lines: this.#lines,
      ...(first ? { first: pointOf(first) } : {}),
      ...(last ? { last: pointOf(last) } : {}),
      findings: this.#findings,
    };
  }

  /** What a killed process has left in the state database stands in the file as it will be. */
  #withPending(file: string, text: string): string {
    const { pending = [] } = this.#evidence;
    const [next] = pending;
    if (!next) return text;
    const bytes = Buffer.from(text);
    const there = bytes.subarray(next.start);
    const right = Buffer.from(pending.map(({ line }) => `${line}\n`).join(""));
    if (bytes.length < next.start || there.equals(right)) return text;
    const same = there.length <= right.length && there.every((byte, at) => byte === right[at] || byte === 0);
    if (!same) return text;
    this.#tell(
      "note",
      "unfinished",
      "the end of the file is in the state database only: a process died, or is at it; the next command writes it",
      { file },
    );
    return Buffer.concat([bytes.subarray(0, next.start), right]).toString("utf8");
  }

  #row(text: string, file: string, at: number): void {
    const decoded = decodeLine(text);
    const place = { file, line: at };
    if (!decoded) return this.#tell("error", "not-a-line", "this is no line of an audit log", place);
    const { line, altered } = decoded;
    const where = { ...place, seq: line.seq };
    this.#log ??= line.log;
    if (line.log !== this.#log)
      return this.#tell(
        "error",
        "other-log",
        `line of the log ${line.log} (host ${line.host}), not of ${this.#log}`,
        where,
      );
    if (altered) this.#tell("error", "altered", "the line was changed: its text has another hash", where);
    if (this.#isRepeated(line, where)) return;
    this.#lines++;
    this.#fileFirst ??= line.seq;
    this.#follows(line, altered, where);
    this.#recent.set(line.seq, line.hash);
    if (this.#points.has(line.seq)) this.#hashes.set(line.seq, line.hash);
    this.#first ??= line;
    this.#last = line;
  }

  #isRepeated(line: AuditLine, where: object): boolean {
    const here = this.#recent.get(line.seq);
    if (here === line.hash) {
      this.#tell("error", "duplicate", "the line is there twice", where);
      return true;
    }
    const earlier = this.#before.recent.get(line.seq);
    // A file that was taken away between a write and its sync: its last lines are written into the next one as well.
    if (earlier === line.hash && this.#fileFirst === undefined) {
      if (
        !this.#findings.some(({ code, file }) => code === "overlap" && "file" in where && file === where.file)
      ) {
        this.#tell(
          "note",
          "overlap",
          "its first lines are the last ones of the file before, which was moved away",
          where,
        );
      }
      return true;
    }
    if (here !== undefined || earlier !== undefined) {
      this.#tell("error", "forked", "there is another line of this number", where);
      return true;
    }
    return false;
  }

  #follows(line: AuditLine, altered: boolean, where: object): void {
    const last = this.#last;
    const told = TOLD[line.event];
    if (told) this.#tell(told.severity, told.code, MESSAGES[told.code] ?? line.event, where);
    if (line.event === "audit.segment" && line.details?.["reason"] !== "full") {
      const { reason, segment } = line.details ?? {};
      this.#tell(
        "note",
        "moved",
        `another file was begun after segment ${JSON.stringify(segment)}: ${JSON.stringify(reason)}`,
        where,
      );
    }
    if (!last) {
      if (line.seq === 1 && line.prev !== NO_HASH)
        this.#tell("error", "broken-chain", "the first line names one before it", where);
      return;
    }
    if (line.seq <= last.seq)
      return this.#tell("error", "out-of-order", `it stands after line ${last.seq}`, where);
    if (line.seq > last.seq + 1) {
      const missing = line.seq - last.seq - 1;
      return this.#tell(
        "error",
        "missing",
        `${missing} ${missing === 1 ? "line is" : "lines are"} missing before it`,
        where,
      );
    }
    if (line.prev !== last.hash && !altered) {
      this.#tell("error", "broken-chain", `it names another line ${last.seq} than the one before it`, where);
    }
    if (line.at < last.at)
      this.#tell("note", "clock-back", `the clock went back from ${last.at} to ${line.at}`, where);
  }

  #compare({ seq, hash }: AuditPoint, code: AuditFindingCode, whose: string): void {
    const found = this.#hashes.get(seq);
    if (found === hash) return;
    const message =
      found === undefined
        ? `line ${seq}, which ${whose} names, is not there`
        : `line ${seq} is another than ${whose} names`;
    this.#tell("error", code, message, { seq });
  }

  #tell(
    severity: AuditFinding["severity"],
    code: AuditFindingCode,
    message: string,
    where: object = {},
  ): void {
    this.#findings.push({ severity, code, message, ...where });
  }
}

const MESSAGES: Partial<Record<AuditFindingCode, string>> = {
  mended: "the end of the file had been changed before this line, and was written again as it was",
  lost: "lines before this one could not be written (audit_failure = continue)",
};

function pointOf({ seq, hash, at }: AuditLine): AuditPoint & { at: string } {
  return { seq, hash, at };
}
