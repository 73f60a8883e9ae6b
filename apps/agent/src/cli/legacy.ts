import { listLegacy, previewMigration } from "@luksmith/core/host";
import { adoptPlain, migratePlain, openPlain } from "../actions/legacy-actions.ts";
import { describeDisk } from "../output/describe-instance.ts";
import { formatBytes } from "../output/format-bytes.ts";
import { legacyDocument, migrationDocument, type PlannedDiskDocument } from "../output/legacy-document.ts";
import { table } from "../output/table.ts";
import type { Session } from "../session.ts";

export interface AdoptCommand {
  readonly key: string;
  readonly hash?: string;
  readonly cipher?: string;
  readonly keySize?: number;
  readonly project?: string;
  readonly acceptUnproven?: boolean;
}

export interface MigrateCommand {
  readonly dryRun?: boolean;
  readonly acceptUnproven?: boolean;
  readonly abandon?: boolean;
}

export async function list(session: Session): Promise<void> {
  const ctx = await session.context();
  await using host = await session.read();
  const document = legacyDocument(await listLegacy(host, ctx));
  await session.print(document, () => {
    const rows = document.instances.flatMap(({ uuid, disks }) =>
      disks.map(({ name, path, bytes, known_by, mapping, copied_bytes }) => [
        uuid,
        name,
        path,
        formatBytes(bytes),
        known_by,
        mapping === null ? "closed" : "open",
        copied_bytes === null ? "" : `${formatBytes(copied_bytes)} copied`,
      ]),
    );
    if (rows.length === 0) return "no disk of dm-crypt's plain mode\n";
    return table(["INSTANCE", "DISK", "PATH", "SIZE", "KNOWN BY", "MAPPING", "MIGRATION"], rows);
  });
}

export async function adopt(session: Session, id: string, options: AdoptCommand): Promise<void> {
  const { key, hash, cipher, keySize, project, acceptUnproven = false } = options;
  const input = { id, key, hash, cipher, keySize, project, acceptUnproven };
  const document = await session.perform(adoptPlain, input);
  await session.print(document, () => document.disks.map(describeDisk).join(""));
}

export async function open(session: Session, id: string | undefined): Promise<void> {
  const document = await session.perform(openPlain, { id });
  await session.print(document, () => {
    if (document.disks.length === 0) return "no disk of dm-crypt's plain mode\n";
    const rows = document.disks.map(({ instance, name, path, error }) => [instance, name, error ?? path]);
    return table(["INSTANCE", "DISK", "OPEN AS"], rows);
  });
}

export async function migrate(session: Session, id: string, options: MigrateCommand): Promise<void> {
  const { dryRun = false, acceptUnproven = false, abandon = false } = options;
  if (dryRun) {
    const ctx = await session.context();
    await using host = await session.read();
    const document = migrationDocument(id, await previewMigration(host, id, { acceptUnproven }, ctx));
    await session.print(document, () => document.disks.map(describePlanned).join(""));
    return;
  }
  const document = await session.perform(migratePlain, { id, acceptUnproven, abandon });
  await session.print(document, () => document.disks.map(describeDisk).join(""));
}

function describePlanned(disk: PlannedDiskDocument): string {
  const { name, path, bytes, copied_bytes, space_bytes, evidence, seconds, steps } = disk;
  const lines = [
    `  ${name}: ${bytes} bytes (${formatBytes(bytes)}) on ${path}, ${copied_bytes} of them copied`,
    `    key     ${evidence ?? "nothing shows that it is the right one"}`,
    `    space   ${formatBytes(space_bytes)} until the old disk is removed`,
    `    time    ${seconds === null ? "not measured: its mapping is open" : `about ${seconds} s`}`,
    ...steps.map((step) => `    - ${step}`),
  ];
  return `${lines.join("\n")}\n`;
}
