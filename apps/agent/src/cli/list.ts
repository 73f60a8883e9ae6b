import { type ListDocument, listDocument } from "../output/list-document.ts";
import { formatBytes } from "../output/format-bytes.ts";
import { printable, table } from "../output/table.ts";
import type { Session } from "../session.ts";

export async function list(session: Session): Promise<void> {
  await using host = await session.read();
  const document = listDocument(host);
  await session.print(document, () => describeList(document));
}

function describeList({ instances, snapshots, unfinished }: ListDocument): string {
  if (instances.length + snapshots.length === 0) return "nothing was made on this host\n";
  const disks = instances.flatMap(({ uuid, name, pending, disks: own }) =>
    own.map((disk) => [
      uuid,
      pending === null ? (name ?? "") : `${name ?? ""} (${pending})`,
      disk.name,
      formatBytes(disk.virtual_size),
      disk.format,
      disk.encryption_format ?? "none",
      disk.path,
    ]),
  );
  const rows = snapshots.map((snapshot) => [
    snapshot.uuid,
    snapshot.instance,
    snapshot.name,
    formatBytes(snapshot.virtual_size),
    snapshot.format,
    snapshot.encryption_format ?? "none",
    snapshot.path,
  ]);
  const tail = ["DISK", "SIZE", "FORMAT", "ENCRYPTION", "PATH"];
  const tables = [
    disks.length > 0 ? table(["INSTANCE", "NAME", ...tail], disks) : "",
    rows.length > 0 ? table(["SNAPSHOT", "OF INSTANCE", ...tail], rows) : "",
    describeUnfinished(unfinished),
  ];
  return tables.filter((text) => text !== "").join("\n");
}

/** What waits, for the key manager mostly: until then its passphrases are there still. */
export function describeUnfinished(unfinished: ListDocument["unfinished"]): string {
  if (unfinished.length === 0) return "";
  const rows = unfinished.map(({ kind, subject, since, tries, tried_at, secrets, error }) => [
    kind,
    subject,
    since,
    `${tries} times, ${tried_at}`,
    String(secrets.length),
    printable(error),
  ]);
  return table(["UNFINISHED", "OF", "SINCE", "TRIED", "PASSPHRASES", "ERROR"], rows);
}
