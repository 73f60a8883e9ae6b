import type { WaitingOperation } from "../journal/waiting-operations.ts";
import type { ReadableHost } from "./host.ts";
import { readStep, type SagaStep } from "./operations/steps.ts";

/** An operation that could not be ended: what is left of it is tried again until it is done. As `list` shows it. */
export interface Tombstone {
  readonly operation: string;
  readonly kind: string;
  /** UUID of the instance or snapshot. */
  readonly subject: string;
  /** ISO 8601 */
  readonly since: string;
  readonly tries: number;
  /** ISO 8601 */
  readonly tried_at: string;
  readonly error: string;
  /** UUIDs of disks that are erased for certain. */
  readonly erased: readonly string[];
  /** Ids of the passphrases that go; some may be gone. */
  readonly secrets: readonly string[];
}

/** Oldest first. Only reads. */
export function tombstones({ inventory }: ReadableHost): readonly Tombstone[] {
  return (inventory?.waiting() ?? []).map(tombstoneOf);
}

function tombstoneOf({
  id,
  kind,
  subject,
  startedAt,
  tries,
  triedAt,
  error,
  steps,
}: WaitingOperation): Tombstone {
  const sagas = steps.map(readStep);
  return {
    operation: id,
    kind,
    subject,
    since: startedAt,
    tries,
    tried_at: triedAt,
    error,
    erased: sagas.flatMap((step) => (step.kind === "erased" ? [step.data.uuid] : [])),
    secrets: sagas.flatMap(secretsOf),
  };
}

function secretsOf(step: SagaStep): readonly string[] {
  return step.kind === "forget" || step.kind === "secret-made" ? [step.data.id] : [];
}
