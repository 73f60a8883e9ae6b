import { LuksmithError } from "../../errors/luksmith-error.ts";
import type { WritableHost } from "../host.ts";

/**
 * Refuses to begin on something whose last operation has not ended: recovery tried when the host was opened, and could
 * not end it.
 * @throws `RecoveryIncomplete`
 */
export function requireSettled(host: WritableHost, uuid: string): void {
  const open = host.journal.unfinished().find(({ subject }) => subject === uuid);
  if (!open) return;
  const why = host.recovery.operations.find(({ operation }) => operation === open.id)?.error;
  throw new LuksmithError(
    "RecoveryIncomplete",
    `the ${open.kind} of ${uuid} that began ${open.startedAt} could not be ended yet${why ? `: ${why}` : ""}; mend that, then run "luksmith recover"`,
    { details: { subject: uuid, operation: open.id, kind: open.kind } },
  );
}
