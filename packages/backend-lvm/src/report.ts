import { LuksmithError } from "@luksmith/core";

/** A row of a report: LVM's JSON has every value as text. */
export type ReportRow = Readonly<Record<string, string>>;

/** For `lvs` and `vgs`: bytes without a unit, and words that no locale or width changes. */
export const REPORT_OPTIONS = ["--reportformat", "json", "--units", "b", "--nosuffix", "--binary"];

/**
 * The rows of `lvs` or `vgs --reportformat json`.
 * @throws `CommandFailed`: it is no such report
 */
export function parseReport(text: string, kind: "lv" | "vg"): readonly ReportRow[] {
  const rows = rowsOf(text, kind);
  if (rows) return rows;
  throw new LuksmithError(
    "CommandFailed",
    `LVM printed a report that is none: ${JSON.stringify(text.slice(0, 200))}; look whether ${kind}s works by hand`,
  );
}

function rowsOf(text: string, kind: string): readonly ReportRow[] | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isRecord(parsed) || !Array.isArray(parsed["report"])) return undefined;
  const parts = parsed["report"].map((part: unknown) => (isRecord(part) ? part[kind] : undefined));
  const rows = parts.flat();
  return rows.every(isRow) ? rows : undefined;
}

/**
 * A field of a row.
 * @throws `CommandFailed`: LVM did not report it
 */
export function field(row: ReportRow, name: string): string {
  const value = row[name];
  if (value !== undefined) return value;
  throw new LuksmithError(
    "CommandFailed",
    `LVM's report lacks ${name}; version 2.03 or newer of lvm2 is needed`,
  );
}

/** A field that counts bytes, or things. */
export function countOf(row: ReportRow, name: string): bigint {
  const text = field(row, name);
  if (/^\d+$/.test(text)) return BigInt(text);
  throw new LuksmithError(
    "CommandFailed",
    `LVM reports ${name} as ${JSON.stringify(text)}, which is no number; look at it with lvs and vgs`,
  );
}

/** A field of how full something is, as a part of one. */
export function fractionOf(row: ReportRow, name: string): number {
  const percent = Number(field(row, name) || "NaN");
  if (percent >= 0 && percent <= 100) return percent / 100;
  throw new LuksmithError(
    "CommandFailed",
    `LVM does not say how full ${row["lv_name"] ?? "the pool"} is (${name}); is it active?`,
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isRow(value: unknown): value is ReportRow {
  return isRecord(value) && Object.values(value).every((each) => typeof each === "string");
}
