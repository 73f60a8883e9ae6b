import { LuksmithError, type RecoveredOperation } from "@luksmith/core/host";
import { printable, table } from "../output/table.ts";
import type { Session } from "../session.ts";

/** Opening the host for writing is what recovers. */
export async function recover(session: Session): Promise<void> {
  const ctx = await session.context();
  await using host = await session.write(ctx);
  const { operations } = host.recovery;
  const document = operations.map(({ startedAt: started_at, ...rest }) => ({ ...rest, started_at }));
  await session.print({ operations: document }, () => describe(operations));
  const failed = operations.filter(({ outcome }) => outcome === "failed");
  if (failed.length === 0) return;
  throw new LuksmithError(
    "RecoveryIncomplete",
    `${failed.length} of ${operations.length} operations could not be ended: ${failed.map(({ error }) => error).join("; ")}. Repair what they name, then run "luksmith recover" again`,
    { details: { operations: failed.map(({ operation }) => operation) } },
  );
}

function describe(operations: readonly RecoveredOperation[]): string {
  if (operations.length === 0) return "nothing was left unfinished\n";
  const rows = operations.map(({ kind, subject, startedAt, outcome, error }) => {
    return [kind, subject, startedAt, outcome, printable(error ?? "")];
  });
  return table(["OPERATION", "OF", "BEGUN", "OUTCOME", "ERROR"], rows);
}
