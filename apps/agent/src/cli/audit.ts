import {
  type AuditFinding,
  type AuditPoint,
  type AuditSelection,
  CATEGORIES,
  exportAudit,
  verifyAuditLog,
} from "@luksmith/core/host";
import { printable, table } from "../output/table.ts";
import type { Session } from "../session.ts";

export type Point = AuditPoint;
export type Selection = Omit<AuditSelection, "last">;

export interface VerifyOptions {
  readonly file?: readonly string[];
  readonly expect?: readonly Point[];
  readonly partial?: boolean;
}

export async function verify(session: Session, options: VerifyOptions): Promise<number> {
  await session.context();
  await using host = await session.read();
  const { file: files = [], expect: expected = [], partial = false } = options;
  const verdict = await verifyAuditLog(host, { files, expected, partial });
  const { ok, lines, first, last, findings } = verdict;
  const document = { ok, lines, first: first ?? null, last: last ?? null, findings };
  await session.print(document, () => {
    const said = findings.map((finding) => `${describe(finding)}\n`).join("");
    const end = last ? `, the last ${last.seq}:${last.hash} of ${last.at}` : "";
    return `${said}${ok ? "whole" : "NOT WHOLE"}: ${lines} lines${end}\n`;
  });
  return ok ? 0 : CATEGORIES.integrity.exitCode;
}

export async function exportLines(session: Session, selection: Selection): Promise<void> {
  await session.context();
  await using host = await session.read();
  const { head, lines } = await exportAudit(host, selection);
  const document = { head: head ?? null, lines: session.json ? lines.map(parsed) : [] };
  await session.print(document, () => lines.map((line) => `${line}\n`).join(""));
}

export async function tail(
  session: Session,
  { lines: last, ...selection }: Selection & { readonly lines: number },
): Promise<void> {
  await session.context();
  await using host = await session.read();
  const { head, lines } = await exportAudit(host, { ...selection, last });
  const rows = lines.map(parsed);
  await session.print({ head: head ?? null, lines: rows }, () =>
    table(["SEQ", "TIME", "EVENT", "OUTCOME", "WHO", "WHY", "ABOUT"], rows.map(cells)),
  );
}

interface Line {
  readonly seq: number;
  readonly at: string;
  readonly event: string;
  readonly outcome: string;
  readonly origin?: { readonly via: string; readonly who: string; readonly purpose: string };
  readonly token?:
    | { readonly userName?: string; readonly userId: string; readonly projectName?: string }
    | "unknown";
  readonly operation?: { readonly kind: string; readonly subject: string };
  readonly instance?: string;
  readonly disk?: { readonly name: string };
  readonly secret?: string;
}

/** Asserted: only lines that are lines of the log come out of it. */
function parsed(line: string): Line {
  return JSON.parse(line) as Line;
}

function cells({ seq, at, event, outcome, ...line }: Line): readonly string[] {
  const { origin, token, operation, instance, disk, secret } = line;
  const user = typeof token === "object" ? ` as ${token.userName ?? token.userId}` : "";
  const about = [instance ?? operation?.subject, disk?.name, secret].filter((part) => part !== undefined);
  return [
    String(seq),
    at,
    event,
    outcome,
    origin ? `${origin.who}${origin.via === "command" ? "" : ` (${origin.via})`}${user}` : "-",
    operation?.kind ?? origin?.purpose ?? "-",
    about.join(" "),
  ];
}

function describe({ severity, file, line, seq, message }: AuditFinding): string {
  const where = file === undefined ? "" : `${file}${line === undefined ? "" : `:${line}`}: `;
  const which = seq === undefined ? "" : `line ${seq}: `;
  return printable(`${severity}: ${where}${which}${message}`);
}
