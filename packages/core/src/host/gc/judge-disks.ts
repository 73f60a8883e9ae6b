import type { StoredDisk } from "../../image/image-backend.ts";
import { sameIdentity } from "../../image/same-identity.ts";
import type { GoneRecord } from "../../journal/gone.ts";
import type { Discrepancy } from "./discrepancy.ts";
import { recordedDisks, type World } from "./world.ts";

/** What was judged, and what was left to others. */
export interface Judged {
  readonly discrepancies: readonly Discrepancy[];
  /** Things that are nobody's of this host's, as far as can be told. */
  readonly foreign: number;
}

/** Recorded disks and snapshots that are not there, or are not those. */
export function judgeRecords(world: World): Judged {
  const discrepancies: Discrepancy[] = [];
  for (const { instanceUuid, name, uuid, path } of recordedDisks(world)) {
    const place = world.busy.has(instanceUuid) ? undefined : world.whereabouts.get(uuid);
    const about = { instanceUuid, object: path };
    if (place === "missing") {
      discrepancies.push({
        ...about,
        kind: "disk-missing",
        finding: `${name} of instance ${instanceUuid} is recorded and not there (${path})`,
        advice: `mount or restore it; if it is gone for good: luksmith delete ${instanceUuid} --forget-missing`,
      });
    } else if (typeof place === "object") {
      discrepancies.push({
        ...about,
        kind: "disk-replaced",
        finding: `something else stands in the place of ${name} of instance ${instanceUuid}: ${place.replaced}`,
        advice: "find out who put it there; Luksmith does not touch it",
      });
    }
  }
  for (const { uuid, instanceUuid, path } of world.snapshots) {
    const place = world.busy.has(uuid) ? undefined : world.whereabouts.get(uuid);
    if (place === undefined || place === "there") continue;
    const gone = place === "missing";
    discrepancies.push({
      kind: gone ? "snapshot-missing" : "snapshot-replaced",
      instanceUuid,
      object: path,
      finding: gone
        ? `snapshot ${uuid} is recorded and not there (${path})`
        : `another file stands in the place of snapshot ${uuid} (${path})`,
      advice: gone
        ? `if it was moved or removed on purpose: luksmith delete ${uuid} --forget-missing; its passphrase goes with that`
        : "find out who put it there; Luksmith does not touch it",
    });
  }
  return { discrepancies, foreign: 0 };
}

/** What stands on the storage and is not recorded. @param old whether a moment is before the grace period */
export function judgeStorage(world: World, old: (at: string) => boolean): Judged {
  const discrepancies: Discrepancy[] = [];
  let foreign = 0;
  const records = recordedDisks(world);
  const recorded = new Set(records.map(({ path }) => path));
  for (const disk of world.stored) {
    if (recorded.has(disk.path)) continue;
    if (disk.instanceUuid !== undefined && world.busy.has(disk.instanceUuid)) continue;
    if (
      world.copying.some(
        (copy) => copy.backend === disk.backend && sameIdentity(copy.identity, disk.identity),
      )
    )
      continue;
    if (!old(disk.changedAt)) continue;
    const found = judgeStored(world, disk, old);
    if (found === "foreign") foreign++;
    else if (found) discrepancies.push({ instanceUuid: disk.instanceUuid, object: disk.path, ...found });
  }
  for (const { path, instanceUuid, changedAt } of world.emptyDirectories) {
    if (world.busy.has(instanceUuid) || !old(changedAt)) continue;
    if (world.instances.some(({ uuid }) => uuid === instanceUuid)) continue;
    const had = world.gone.find((each) => each.instanceUuid === instanceUuid && each.backend !== undefined);
    if (!had || !old(had.at)) {
      foreign++;
      continue;
    }
    discrepancies.push({
      kind: "directory-empty",
      instanceUuid,
      object: path,
      finding: `${path} is empty, and instance ${instanceUuid} has left this host`,
      advice: `rmdir ${path}`,
      act: { kind: "remove-directory", path, changedAt, subject: instanceUuid },
    });
  }
  return { discrepancies, foreign };
}

type Found = Omit<Discrepancy, "instanceUuid" | "object">;

function judgeStored(
  world: World,
  disk: World["stored"][number],
  old: (at: string) => boolean,
): Found | "foreign" | undefined {
  const records = recordedDisks(world);
  const { path, uuid } = disk;
  const moved = records.find(
    ({ identity, backend }) => backend === disk.backend && sameIdentity(identity, disk.identity),
  );
  if (moved) {
    return {
      kind: "disk-elsewhere",
      finding: `${moved.name} of instance ${moved.instanceUuid} was renamed to ${path}; recorded is ${moved.path}`,
      advice: `give it its name again: ${moved.path}`,
    };
  }
  const twin = uuid === undefined ? undefined : records.find((each) => each.uuid === uuid);
  if (twin) {
    return {
      kind: "disk-double",
      finding: `${path} bears the UUID of ${twin.name} of instance ${twin.instanceUuid} (${twin.path}): a copy, which its passphrase opens`,
      advice: "remove it if nobody needs it; the passphrase is needed by the disk",
    };
  }
  const had = world.gone.find((each) => isSame(each, disk));
  if (had) return judgeReturned(world, disk, had, old);
  if (disk.instanceUuid === undefined) return judgePartial(disk);
  // On storage of several hosts, a name and a header say nothing of whose it is.
  if (disk.shared || uuid === undefined) return "foreign";
  const secret = world.secrets?.find(({ name }) => name.includes(uuid));
  return {
    kind: "disk-unrecorded",
    finding: `${path} is an encrypted disk (${uuid}) that this host has no record of; ${secret ? `its passphrase is there: secret ${secret.id}` : "no secret that is listed here is named for it"}`,
    advice: "it is somebody's data: find out whose; a lost inventory is restored from a backup of state_path",
  };
}

/** By what nobody else has: the identity, or the UUID that it bears. */
function isSame(gone: GoneRecord, disk: StoredDisk & { readonly backend: string }): boolean {
  if (gone.backend !== disk.backend) return false;
  return gone.uuid === disk.uuid || sameIdentity(gone.identity, disk.identity);
}

/** Half made. Its creation may be another host's, and a day is long for one. */
function judgePartial({ path, shared }: StoredDisk): Found {
  return {
    kind: "disk-partial",
    finding: `${path} is half of a disk, left by a creation that was cut short${shared ? ", on this host or another of the pool" : ""}`,
    advice:
      'run "luksmith recover" on each host that uses this storage; what is left then can be removed by hand',
  };
}

function judgeReturned(
  world: World,
  disk: World["stored"][number],
  had: GoneRecord,
  old: (at: string) => boolean,
): Found | "foreign" | undefined {
  // It went to another host, or to a shelf, and is theirs.
  if (!had.removed) return "foreign";
  if (!old(had.at)) return undefined;
  const which = `${had.name} of instance ${had.instanceUuid}`;
  const subject = had.instanceUuid;
  const same = sameIdentity(had.identity, disk.identity);
  const needed = world.instances.some(({ uuid }) => uuid === subject);
  if (same && had.encryptionFormat === "luks" && disk.keySlots === 0 && !needed) {
    return {
      kind: "disk-remnant",
      finding: `${disk.path} is what is left of ${which}, erased ${had.at}: no key slot opens it`,
      advice: "luksmith gc --apply removes it",
      act: { kind: "remove-disk", gone: had, subject },
    };
  }
  return {
    kind: "disk-returned",
    finding: `${disk.path} is ${which}, which was deleted ${had.at}, and is there again${(disk.keySlots ?? 0) > 0 ? " with its key slots" : ""}`,
    advice: "somebody has restored it: find out why; remove it by hand if it was a mistake",
  };
}
