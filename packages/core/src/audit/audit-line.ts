import { createHash } from "node:crypto";
import type { AuditEvent } from "./audit-event.ts";

/** What comes before the first line of a log. */
export const NO_HASH = "0".repeat(64);

/** What a line is besides its event. */
export interface LinePlace {
  readonly seq: number;
  /** ISO 8601 */
  readonly at: string;
  /** The log's id: one for each state database. */
  readonly log: string;
  readonly host: string;
  /** The hash of the line before. */
  readonly prev: string;
}

/** A line as it was read. */
export interface AuditLine extends LinePlace, AuditEvent {
  readonly hash: string;
}

const TAIL = /^(.*),"hash":"([0-9a-f]{64})"\}$/s;

/**
 * One line of the log, without its newline. Its last member, `hash`, is the SHA-256 of the line's text before
 * `,"hash":`, in which `prev` is the hash of the line before: `sha256sum` can check it.
 */
export function encodeLine(
  place: LinePlace,
  event: AuditEvent,
): { readonly line: string; readonly hash: string } {
  const { seq, at, log, host, prev } = place;
  const { event: name, outcome, origin, ...rest } = event;
  const who = origin ? { via: origin.via, who: origin.who, purpose: origin.purpose } : undefined;
  const text = JSON.stringify({ v: 1, seq, at, log, host, event: name, outcome, origin: who, ...rest, prev });
  const body = text.slice(0, -1);
  const hash = hashOf(body);
  return { line: `${body},"hash":"${hash}"}`, hash };
}

/** Undefined: it is no line of an audit log. `altered`: its hash is not that of its text. */
export function decodeLine(
  text: string,
): { readonly line: AuditLine; readonly altered: boolean } | undefined {
  const [, body, hash] = TAIL.exec(text) ?? [];
  if (body === undefined || hash === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return isLine(value) ? { line: value, altered: hashOf(body) !== hash } : undefined;
  } catch {
    return undefined;
  }
}

function hashOf(body: string): string {
  return createHash("sha256").update(body).digest("hex");
}

function isLine(value: unknown): value is AuditLine {
  if (typeof value !== "object" || value === null) return false;
  const { seq, at, log, prev, event } = value as Record<string, unknown>;
  return Number.isSafeInteger(seq) && [at, log, prev, event].every((each) => typeof each === "string");
}
