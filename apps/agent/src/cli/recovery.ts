import { resolve } from "node:path";
import { inspectBundle, type InspectedBundle, LuksmithError } from "@luksmith/core/host";
import { exportRecovery } from "../actions/recovery.ts";
import { formatBytes } from "../output/format-bytes.ts";
import { printable, table } from "../output/table.ts";
import type { Session } from "../session.ts";

export interface ExportCommand {
  readonly recipient?: readonly string[];
}

export async function exportOne(
  session: Session,
  file: string,
  id: string | undefined,
  disk: string | undefined,
  { recipient: recipients = [] }: ExportCommand,
): Promise<void> {
  const path = resolve(session.io.cwd, file);
  const bundle = await session.perform(exportRecovery, { id, disk, path, recipients });
  const { disks, failed } = bundle;
  await session.print(bundle, () => {
    const who = bundle.recipients.join(", ");
    return `${printable(bundle.path)}: ${disks.length} disks, for ${who}\n${describeDisks(disks)}`;
  });
  if (failed.length === 0) return;
  throw new LuksmithError(
    "RotationIncomplete",
    `${failed.length} of ${disks.length + failed.length} disks are not in the bundle: ${failed.map(({ error }) => error).join("; ")}`,
    { details: { disks: failed.map(({ uuid }) => uuid) } },
  );
}

export async function inspect(session: Session, file: string, identity: string | undefined): Promise<void> {
  const bundle = await inspectBundle(file, identity);
  await session.print({ ...bundle, contents: bundle.contents ?? null }, () => describeBundle(bundle));
}

function describeBundle({ path, bytes, recipients, contents }: InspectedBundle): string {
  const outside = `${printable(path)}: ${formatBytes(bytes)}, opened by ${recipients.length} keys (${recipients.join(", ")})\n`;
  if (!contents) return outside;
  const missing = contents.failed.map(
    ({ name, uuid, error }) => `not in it: ${name} ${uuid}: ${printable(error)}\n`,
  );
  return `${outside}made ${contents.made_at}\n${describeDisks(contents.disks)}${missing.join("")}`;
}

function describeDisks(disks: NonNullable<InspectedBundle["contents"]>["disks"]): string {
  const rows = disks.map(({ uuid, instance, name, format, backend, path }) => [
    uuid,
    instance,
    name,
    `${format} on ${backend}`,
    printable(path),
  ]);
  return rows.length === 0 ? "" : table(["DISK", "INSTANCE", "NAME", "KIND", "PATH"], rows);
}
