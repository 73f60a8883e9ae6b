import type { SecretInfo } from "../../key-manager/key-manager.ts";
import { ownSecret } from "../../image/image-disk.ts";
import { sameIdentity } from "../../image/same-identity.ts";
import type { GoneRecord } from "../../journal/gone.ts";
import type { Discrepancy } from "./discrepancy.ts";
import type { Judged } from "./judge-disks.ts";
import { neededSecrets, recordedDisks, type World } from "./world.ts";

const NAME =
  /^Ephemeral encryption secret for (?:snapshot (?<snapshot>[0-9a-f-]{36}) of )?instance (?<instance>[0-9a-f-]{36})(?: (?:BDM (?<disk>[0-9a-f-]{36})|all disks))?/u;

/** Secrets that are missing, and secrets that nothing needs. */
export function judgeSecrets(world: World, old: (at: string) => boolean): Judged {
  const discrepancies: Discrepancy[] = [...missing(world)];
  let foreign = 0;
  const needed = neededSecrets(world);
  for (const secret of world.secrets ?? []) {
    if (needed.has(secret.id) || !old(secret.createdAt)) continue;
    const found = judgeSecret(world, secret, old);
    if (found === "foreign") foreign++;
    else if (found) discrepancies.push(found);
  }
  return { discrepancies, foreign };
}

function* missing({ instances, snapshots, secretless, busy }: World): Generator<Discrepancy> {
  for (const { instanceUuid, name, uuid, path, encryption } of recordedDisks({ instances })) {
    if (busy.has(instanceUuid) || !secretless.has(uuid)) continue;
    yield {
      kind: "secret-missing",
      instanceUuid,
      object: encryption?.secretId ?? "",
      finding: `the passphrase of ${name} of instance ${instanceUuid} (${path}) is gone: the key manager has no secret ${encryption?.secretId}`,
      advice:
        "restore the secret from a backup of the key manager; a guest that runs can still be read from inside: do not stop it",
    };
  }
  for (const { uuid, instanceUuid, path, encryption } of snapshots) {
    if (busy.has(uuid) || !secretless.has(uuid)) continue;
    yield {
      kind: "secret-missing",
      instanceUuid,
      object: encryption?.secretId ?? "",
      finding: `the passphrase of snapshot ${uuid} (${path}) is gone: the key manager has no secret ${encryption?.secretId}`,
      advice: "restore the secret from a backup of the key manager",
    };
  }
}

function judgeSecret(
  world: World,
  { id, name }: SecretInfo,
  old: (at: string) => boolean,
): Discrepancy | "foreign" | undefined {
  const { instance, disk, snapshot } = NAME.exec(name)?.groups ?? {};
  const about = { instanceUuid: instance, object: id };
  if ([instance, snapshot].some((uuid) => uuid !== undefined && world.busy.has(uuid))) return undefined;
  const had = world.gone.find(({ secretId }) => secretId === id);
  const uuid = had?.uuid ?? disk;
  // Also a disk that somebody has restored needs it, whatever was to become of it.
  const restored = world.stored.some(
    (stored) =>
      !isRecorded(world, stored.path) &&
      ((uuid !== undefined && stored.uuid === uuid) || (had && sameIdentity(had.identity, stored.identity))),
  );
  if (restored) return undefined;
  const record = recordedDisks(world).find((each) => each.uuid === uuid);
  if (record && ownSecret(record.encryption) && (had ? had.forgotten : record.instanceUuid === instance)) {
    if (had && !old(had.at)) return undefined;
    // Without a record of it, another host of the project may have made it: for the same disk, evacuated and given a new passphrase.
    const ours = had !== undefined || world.scope === undefined;
    const act = { kind: "forget-secret", id, subject: record.instanceUuid, superseded: record.uuid } as const;
    return {
      ...about,
      kind: "secret-superseded",
      finding: `secret ${id} was made for ${record.name} of instance ${record.instanceUuid}, which has another one now`,
      advice: ours
        ? "luksmith gc --apply deletes it, if the other one opens the disk"
        : "this host has no record of it: if no other host has the instance, delete it in the key manager",
      ...(ours ? { act } : {}),
    };
  }
  if (had && !had.forgotten) return "foreign"; // Another host, a shelf or a copy needs it.
  if (had) {
    if (!old(had.at)) return undefined;
    const subject = had.backend === undefined ? had.uuid : had.instanceUuid;
    const nowhere = isNowhere(world, had);
    const act = { kind: "forget-secret", id, gone: had, subject } as const;
    return {
      ...about,
      kind: "secret-orphan",
      finding: `secret ${id} is of ${had.backend === undefined ? "a snapshot" : had.name} of instance ${had.instanceUuid}, which was deleted ${had.at}, and it was to be deleted with it`,
      advice: nowhere
        ? "luksmith gc --apply deletes it"
        : `nothing shows that its storage is there as a whole, and somebody may have restored what it opens: make sure that ${had.path} is gone, then delete it in the key manager`,
      ...(nowhere ? { act } : {}),
    };
  }
  if (world.scope !== undefined) return "foreign";
  return {
    ...about,
    kind: "secret-unrecorded",
    finding: `secret ${id} (${name}) is in this host's own store, and nothing recorded needs it`,
    advice:
      "it may be of a disk on a shelf, in a backup or of a lost inventory: keep it unless you know better",
  };
}

/** Whether all that could hold it was looked at, and it is not there. That no list has it was seen before. */
function isNowhere({ listed, snapshotsGone }: World, { backend, uuid }: GoneRecord): boolean {
  return backend === undefined ? snapshotsGone.has(uuid) : listed.get(backend) === "whole";
}

function isRecorded(world: World, path: string): boolean {
  return recordedDisks(world).some((each) => each.path === path);
}

/** Copies on this host of secrets that it needs no more, or has none of. */
export function judgeCopies(world: World, old: (at: string) => boolean): Judged {
  const { copies } = world;
  if (!copies) return { discrepancies: [], foreign: 0 };
  const discrepancies: Discrepancy[] = [];
  const needed = neededSecrets(world);
  for (const { id, createdAt } of copies) {
    if (needed.has(id) || !old(createdAt)) continue;
    const had = world.gone.find(({ secretId }) => secretId === id);
    const subject = had && (had.backend === undefined ? had.uuid : had.instanceUuid);
    if (had && (world.busy.has(had.instanceUuid) || !old(had.at))) continue;
    // A copy may be the last there is of what another host or a shelf needs.
    const spare =
      had !== undefined && (had.forgotten || (world.secrets ?? []).some((secret) => secret.id === id));
    discrepancies.push({
      kind: "copy-orphan",
      instanceUuid: had?.instanceUuid,
      object: id,
      finding: had
        ? `this host has a copy of secret ${id}, of ${had.name} of instance ${had.instanceUuid}, which left it ${had.at}`
        : `this host has a copy of secret ${id}, and no record of what it opens`,
      advice: spare
        ? "luksmith gc --apply deletes the copy; the secret in the key manager stays"
        : "it may be the last there is: keep it unless you know better",
      ...(subject === undefined || !spare ? {} : { act: { kind: "forget-copy", id, subject } as const }),
    });
  }
  const have = new Set(copies.map(({ id }) => id));
  for (const { name, instanceUuid, encryption } of world.keepsCopies ? recordedDisks(world) : []) {
    const id = ownSecret(encryption);
    if (!id || have.has(id) || world.busy.has(instanceUuid)) continue;
    discrepancies.push({
      kind: "copy-missing",
      instanceUuid,
      object: id,
      finding: `this host has no copy of the passphrase of ${name} of instance ${instanceUuid}, and secret_security = host: it cannot open the disk by itself`,
      advice: `luksmith rekey ${instanceUuid} with its user's token makes a secret with a copy`,
    });
  }
  return { discrepancies, foreign: 0 };
}
