import { isLuksmithError } from "../errors/luksmith-error.ts";
import { type OpContext, throwIfCancelled } from "../image/op-context.ts";
import {
  type Finding,
  type HealthCheck,
  type HealthSubject,
  SEVERITIES,
  type Severity,
} from "./health-check.ts";

const TIMEOUT_MS = 30_000;

/** A finding with the check that made it. */
export interface CheckedFinding extends Finding {
  readonly id: string;
}

export interface HealthReport {
  /** The worst of all. */
  readonly severity: Severity;
  readonly findings: readonly CheckedFinding[];
}

/**
 * Runs checks one after the other, each within its time. One that throws or hangs is a finding, and does not keep the
 * others: it is told to stop and left behind.
 * @throws `Cancelled`
 */
export async function runChecks(
  checks: readonly HealthCheck[],
  subject: HealthSubject,
  ctx: OpContext,
): Promise<HealthReport> {
  const findings: CheckedFinding[] = [];
  for (const check of checks) {
    throwIfCancelled(ctx);
    const { id, fine } = check;
    const found = await runCheck(check, subject, ctx);
    throwIfCancelled(ctx);
    const said: readonly Finding[] = found.length > 0 ? found : [{ severity: "ok", finding: fine }];
    for (const finding of said) findings.push({ id, ...finding });
  }
  return { severity: worst(findings), findings };
}

export function worst(findings: readonly Pick<Finding, "severity">[]): Severity {
  const ranks = findings.map(({ severity }) => SEVERITIES.indexOf(severity));
  return SEVERITIES[Math.max(0, ...ranks)] ?? "error";
}

async function runCheck(
  check: HealthCheck,
  subject: HealthSubject,
  ctx: OpContext,
): Promise<readonly Finding[]> {
  const { timeoutMs = TIMEOUT_MS } = check;
  const limit = new AbortController();
  const { promise: late, resolve } = Promise.withResolvers<readonly Finding[]>();
  const timer = setTimeout(() => {
    limit.abort(new Error("the check took too long"));
    resolve([hangs(timeoutMs)]);
  }, timeoutMs);
  const cancelled = (): void => resolve([]);
  ctx.signal.addEventListener("abort", cancelled, { once: true });
  const signal = AbortSignal.any([ctx.signal, limit.signal]);
  // A check that is left behind may still fail: nobody listens then.
  const work = (async () => await check.run(subject, { ...ctx, signal }))().catch((error: unknown) => [
    failed(error),
  ]);
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
    ctx.signal.removeEventListener("abort", cancelled);
  }
}

function hangs(timeoutMs: number): Finding {
  return {
    severity: "error",
    finding: `the check did not end within ${timeoutMs / 1000} s`,
    fix: "what it asks hangs: look at that service or file system; operations that need it will hang as well",
  };
}

function failed(error: unknown): Finding {
  if (isLuksmithError(error)) {
    return { severity: "error", finding: `${error.code}: ${error.message}`, fix: fixOf(error.code) };
  }
  const message = error instanceof Error ? error.message : String(error);
  return {
    severity: "error",
    finding: `the check itself failed: ${message}`,
    fix: "this is a defect of the check; please report it with this message",
  };
}

/** The message of an error says what to do; its page more. */
export function fixOf(code: string): string {
  return `see ${code} in docs/reference/errors.md`;
}
