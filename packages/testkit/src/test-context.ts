import { randomUUID } from "node:crypto";
import type { Logger, OpContext } from "@luksmith/core";

/** One thing that was logged, with the bindings of the child loggers it went through. */
export interface LogEntry {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** An operation's context for tests: nothing aborts it, and everything that is logged is kept. */
export interface TestContext extends OpContext {
  /** Oldest first; grows as the operation logs. Suites look in it for secrets. */
  readonly logged: readonly LogEntry[];
}

/**
 * Makes a context for one operation under test. Given a logger of its own, it records nothing.
 *
 * @example
 * const ctx = testContext({ signal: AbortSignal.abort(new Error("enough")) });
 */
export function testContext(overrides: Partial<OpContext> = {}): TestContext {
  const logged: LogEntry[] = [];
  return {
    requestId: `req-${randomUUID()}`,
    signal: new AbortController().signal,
    log: recordingLogger(logged, {}),
    ...overrides,
    logged,
  };
}

function recordingLogger(logged: LogEntry[], bindings: object): Logger {
  const record = (level: LogEntry["level"]) => (fields: object, message: string) => {
    logged.push({ level, message, fields: { ...bindings, ...fields } });
  };
  return {
    debug: record("debug"),
    info: record("info"),
    warn: record("warn"),
    error: record("error"),
    child: (more) => recordingLogger(logged, { ...bindings, ...more }),
  };
}
