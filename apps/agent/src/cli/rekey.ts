import { LuksmithError } from "@luksmith/core/host";
import { rekey as action, rekeyManyDisks, type RotationDocument } from "../actions/rekey.ts";
import { parseWhen } from "../input/parse-when.ts";
import { describeDisk } from "../output/describe-instance.ts";
import { printable, table } from "../output/table.ts";
import type { Session } from "../session.ts";

export interface RekeyCommand {
  readonly all?: boolean;
  readonly olderThan?: string;
  readonly volumeKey?: boolean;
  readonly abandon?: boolean;
}

export async function rekey(
  session: Session,
  id: string | undefined,
  disk: string | undefined,
  options: RekeyCommand,
): Promise<void> {
  const { all = false, olderThan, volumeKey = false, abandon = false } = options;
  refuseContradictions(id, disk, options);
  if (all || olderThan !== undefined) return await rekeyMany(session, id, olderThan);
  const input = { id: id ?? "", disk, volumeKey, abandon };
  const document = await session.perform(action, input);
  await session.print(document, () => document.disks.map(describeDisk).join(""));
}

async function rekeyMany(
  session: Session,
  id: string | undefined,
  olderThan: string | undefined,
): Promise<void> {
  const before = olderThan === undefined ? undefined : parseWhen(olderThan, new Date()).toISOString();
  const document = await session.perform(rekeyManyDisks, { id, olderThan: before });
  await session.print(document, () => describeRotation(document));
  const failed = document.disks.filter(({ outcome }) => outcome === "failed");
  if (failed.length === 0) return;
  throw new LuksmithError(
    "RotationIncomplete",
    `${failed.length} of ${document.disks.length} disks could not be rekeyed: ${failed.map(({ error }) => error?.message).join("; ")}`,
    { details: { disks: failed.map(({ uuid }) => uuid) } },
  );
}

/** @throws `UsageError` */
function refuseContradictions(
  id: string | undefined,
  disk: string | undefined,
  { all, olderThan, volumeKey, abandon }: RekeyCommand,
): void {
  const many = all === true || olderThan !== undefined;
  const refuse = (problem: string): never => {
    throw new LuksmithError("UsageError", problem);
  };
  if (id === undefined && all !== true) refuse("name an instance, or say --all");
  if (id !== undefined && all === true) refuse("name an instance or say --all, not both");
  if (many && disk !== undefined) refuse("--older-than is about all disks of an instance, not about one");
  if (many && volumeKey === true) refuse("--volume-key is about one instance at a time");
  if (abandon === true && volumeKey !== true) refuse("--abandon takes back an unfinished rekey --volume-key");
  if (abandon === true && disk !== undefined) refuse("--abandon is about all disks of an instance");
}

function describeRotation({ disks }: RotationDocument): string {
  if (disks.length === 0) return "there is no disk with a passphrase of its own\n";
  const rows = disks.map(({ instance, name, outcome, passphrase_since, error }) => [
    instance,
    name,
    passphrase_since,
    outcome,
    printable(error ? `${error.code}: ${error.message}` : ""),
  ]);
  return table(["INSTANCE", "DISK", "PASSPHRASE SINCE", "OUTCOME", "ERROR"], rows);
}
