import { LuksmithError } from "@luksmith/core/host";
import { recover as action, type RecoveryDocument } from "../actions/recover.ts";
import { printable, table } from "../output/table.ts";
import type { Session } from "../session.ts";

export async function recover(session: Session): Promise<void> {
  const document = await session.perform(action, undefined);
  const { operations } = document;
  await session.print(document, () => describe(operations));
  const failed = operations.filter(({ outcome }) => outcome === "failed");
  if (failed.length === 0) return;
  throw new LuksmithError(
    "RecoveryIncomplete",
    `${failed.length} of ${operations.length} operations could not be ended: ${failed.map(({ error }) => error).join("; ")}. Repair what they name, then run "luksmith recover" again`,
    { details: { operations: failed.map(({ operation }) => operation) } },
  );
}

function describe(operations: RecoveryDocument["operations"]): string {
  if (operations.length === 0) return "nothing was left unfinished\n";
  const rows = operations.map(({ kind, subject, started_at, outcome, error }) => {
    return [kind, subject, started_at, outcome, printable(error ?? "")];
  });
  return table(["OPERATION", "OF", "BEGUN", "OUTCOME", "ERROR"], rows);
}
