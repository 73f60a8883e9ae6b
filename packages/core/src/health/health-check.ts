import { extensionPoint } from "../di/token.ts";
import type { OpContext } from "../image/op-context.ts";
import type { InstanceRecord } from "../journal/inventory.ts";

/** In this order; `warning` and `error` are for somebody to act upon. */
export const SEVERITIES = ["ok", "info", "warning", "error"] as const;
export type Severity = (typeof SEVERITIES)[number];

/** What a check has to say. */
export interface Finding {
  readonly severity: Severity;
  /** What is so, with numbers and names. No secrets. */
  readonly finding: string;
  /** What to do about it; with every `warning` and `error`. */
  readonly fix?: string;
}

/** What a check may look at besides what it knows itself. */
export interface HealthSubject {
  /** What this host has made, as recorded. */
  readonly instances: readonly InstanceRecord[];
}

/**
 * One thing that `luksmith doctor` looks at. Plugins contribute their own. Leaves everything as it was, also when it fails;
 * what it throws is a finding, and so is that it has not ended in time.
 */
export interface HealthCheck {
  /** Stable, because monitoring knows it: `libvirt.secrets`. */
  readonly id: string;
  /** What is fine when nothing is found: a sentence without its end. */
  readonly fine: string;
  /** Makes something for a moment, and takes it away: left out of a check that shall only look. */
  readonly writes?: true;
  /** Default 30 000. */
  readonly timeoutMs?: number;
  /** @returns nothing: all is fine */
  run(subject: HealthSubject, ctx: OpContext): Promise<readonly Finding[]>;
}

/** Each plugin contributes its list. */
export const HealthChecks = extensionPoint<readonly HealthCheck[]>("luksmith.health-checks");
