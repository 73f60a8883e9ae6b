import { LuksmithError } from "@luksmith/core/host";
import { resume as action, type ResumedDocument } from "../actions/guest-actions.ts";
import { printable, table } from "../output/table.ts";
import type { Session } from "../session.ts";

export async function resumeGuests(session: Session): Promise<void> {
  const document = await session.perform(action, undefined);
  const { guests } = document;
  await session.print(document, () => describe(guests));
  const left = guests.filter(({ outcome }) => outcome === "waiting" || outcome === "failed");
  if (left.length === 0) return;
  throw new LuksmithError(
    "RecoveryIncomplete",
    `${left.length} of ${guests.length} guests are not back: ${left.map(({ uuid, error }) => `${uuid}: ${error}`).join("; ")}. "luksmith start ID" starts one, with a token of its owner where it waits for one`,
    { details: { guests: left.map(({ uuid }) => uuid) } },
  );
}

function describe(guests: ResumedDocument["guests"]): string {
  if (guests.length === 0) return "no guest of this host should run\n";
  const rows = guests.map(({ uuid, name, outcome, running, error }) => {
    return [uuid, printable(name ?? ""), outcome, running ? "yes" : "no", printable(error ?? "")];
  });
  return table(["GUEST", "NAME", "OUTCOME", "RUNS", "ERROR"], rows);
}
