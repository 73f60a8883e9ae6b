import type { Discrepancy } from "./discrepancy.ts";
import { guestKeys } from "../guests/guest-keys.ts";
import type { Judged } from "./judge-disks.ts";
import { recordedDisks, type World } from "./world.ts";

/** Guests that the hypervisor does not know, keys that it has too many or too few, mappings that were left open. */
export function judgeGuests(world: World, old: (at: string) => boolean): Judged {
  const discrepancies: Discrepancy[] = [...missingGuests(world), ...missingKeys(world)];
  let foreign = 0;
  const rows = new Set(
    world.instances.flatMap((instance) => guestKeys(instance)).map(({ secretId }) => secretId),
  );
  for (const key of world.keys ?? []) {
    const { secretId, use } = key;
    if (rows.has(secretId)) continue;
    const had = world.gone.find((each) => each.secretId === secretId);
    const instanceUuid = use.kind === "disk" ? use.instanceUuid : undefined;
    if (instanceUuid !== undefined && world.busy.has(instanceUuid)) continue;
    const running = instanceUuid !== undefined && world.guestStates.get(instanceUuid) !== "absent";
    // Nova on this host names its own as we do.
    const ours =
      had !== undefined && use.kind === "disk" && had.instanceUuid === use.instanceUuid && !running;
    if (!ours) {
      foreign++;
      continue;
    }
    if (!old(had.at)) continue;
    discrepancies.push({
      kind: "guest-key-orphan",
      instanceUuid,
      object: secretId,
      finding: `the hypervisor has the passphrase of ${had.name} of instance ${had.instanceUuid}, which left this host ${had.at}`,
      advice: `luksmith gc --apply takes it; or virsh secret-undefine ${secretId}`,
      act: { kind: "take-key", key, subject: had.instanceUuid },
    });
  }
  const records = recordedDisks(world);
  for (const { instanceUuid, name, mapping, uuid } of world.mappings) {
    if (world.busy.has(instanceUuid)) continue;
    const isIts = (each: {
      readonly uuid: string;
      readonly instanceUuid: string;
      readonly name: string;
    }): boolean =>
      uuid === undefined ? each.instanceUuid === instanceUuid && each.name === name : each.uuid === uuid;
    if (records.some(isIts)) continue;
    const format = uuid === undefined ? "plain" : "luks";
    const had = world.gone.find((each) => isIts(each) && each.encryptionFormat === format);
    if (!had) {
      foreign++;
      continue;
    }
    if (!old(had.at)) continue;
    discrepancies.push({
      kind: "mapping-orphan",
      instanceUuid,
      object: mapping,
      finding: `${mapping} is open, of ${name} of instance ${instanceUuid}, which left this host ${had.at}`,
      advice: `look who uses it (dmsetup info ${mapping}), then cryptsetup close ${mapping}`,
    });
  }
  return { discrepancies, foreign };
}

function* missingGuests({ guests, guestStates, busy }: World): Generator<Discrepancy> {
  for (const { uuid, moving } of guests) {
    if (moving || busy.has(uuid) || guestStates.get(uuid) !== "absent") continue;
    yield {
      kind: "guest-missing",
      instanceUuid: uuid,
      object: uuid,
      finding: `the hypervisor does not know guest ${uuid}: somebody has undefined it`,
      advice: `luksmith start ${uuid} defines and starts it`,
    };
  }
}

/** Of guests that run: they go on, and cannot be started again or get their disks back. */
function* missingKeys({ instances, guests, guestStates, keys, busy }: World): Generator<Discrepancy> {
  if (!keys) return;
  const have = new Set(keys.map(({ secretId }) => secretId));
  const ours = new Set(guests.filter(({ moving }) => !moving).map(({ uuid }) => uuid));
  for (const instance of instances) {
    const { uuid } = instance;
    if (!ours.has(uuid) || busy.has(uuid) || guestStates.get(uuid) !== "running") continue;
    for (const { secretId } of guestKeys(instance).filter((key) => !have.has(key.secretId))) {
      yield {
        kind: "guest-key-missing",
        instanceUuid: uuid,
        object: secretId,
        finding: `guest ${uuid} runs, and the hypervisor has lost the passphrase ${secretId} of one of its disks`,
        advice: "the daemon gives it again; without one, the next luksmith start does",
      };
    }
  }
}
