import type { LegacyInstance, MigratedDisk } from "@luksmith/core/host";

/** `legacy list --json` */
export function legacyDocument(instances: readonly LegacyInstance[]) {
  return {
    instances: instances.map(({ uuid, name, known, disks }) => ({
      uuid,
      name: name ?? null,
      known,
      disks: disks.map((disk) => ({
        name: disk.name,
        path: disk.path,
        bytes: Number(disk.bytes),
        mapping: disk.mapping ?? null,
        cipher: disk.cipher ?? null,
        known_by: disk.knownBy,
        copied_bytes: disk.copied === undefined ? null : Number(disk.copied),
      })),
    })),
  };
}

export type PlannedDiskDocument = ReturnType<typeof plannedDisk>;

/** `legacy migrate --dry-run --json` */
export function migrationDocument(uuid: string, disks: readonly MigratedDisk[]) {
  return { uuid, disks: disks.map(plannedDisk) };
}

function plannedDisk({ disk, evidence, copied, space, seconds }: MigratedDisk) {
  const { name, path, uuid, encryption } = disk;
  return {
    uuid,
    name,
    path,
    bytes: Number(disk.virtualSize),
    copied_bytes: Number(copied),
    space_bytes: Number(space),
    /** Null: nothing shows it, and --accept-unproven was given. */
    evidence: evidence ?? null,
    /** Null: it was not measured. */
    seconds: seconds ?? null,
    old_key: encryption?.secretId ?? null,
    steps: [
      copied > 0n
        ? "go on with the copy that was begun"
        : "make a passphrase, store it, and make an empty LUKS disk",
      "copy, decrypted and encrypted in memory",
      "compare all of it",
      `put it in the place of ${path}`,
      "clear and remove the old disk",
      encryption?.options?.["adopted"] === true
        ? "leave the old key in the key manager: Nova has made it"
        : "delete the old key, if no other disk of the instance needs it",
    ],
  };
}
