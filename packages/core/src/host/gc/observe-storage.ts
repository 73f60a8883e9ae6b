import { readdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isLuksmithError } from "../../errors/luksmith-error.ts";
import { fileIdentity } from "../../file/file-identity.ts";
import type { OpContext } from "../../image/op-context.ts";
import { sameIdentity } from "../../image/same-identity.ts";
import type { HostServices } from "../host-services.ts";
import { listAll } from "./list-all.ts";
import type { Attempt, Records } from "./observe.ts";
import { recordedDisks, type Whereabouts, type World } from "./world.ts";

const INSTANCE = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/u;

/** Where each recorded disk and snapshot is. */
export async function lookAtRecords(
  services: HostServices,
  before: Records,
  attempt: Attempt,
  ctx: OpContext,
): Promise<ReadonlyMap<string, Whereabouts>> {
  const found = new Map<string, Whereabouts>();
  for (const record of recordedDisks(before)) {
    const place = await attempt(record.path, async (): Promise<Whereabouts> => {
      try {
        const image = services.backend(record.backend).image(record);
        return (await image.requireOurs(record.identity, ctx)) ? "there" : "missing";
      } catch (error) {
        if (!isLuksmithError(error) || error.code !== "DiskReplaced") throw error;
        return { replaced: error.message };
      }
    });
    if (place !== undefined) found.set(record.uuid, place);
  }
  for (const { uuid, path, identity } of before.snapshots) {
    const place = await attempt(path, async (): Promise<Whereabouts> => {
      const there = await fileIdentity(path);
      if (!there) return "missing";
      return sameIdentity(there, identity) ? "there" : { replaced: "it is another file" };
    });
    if (place !== undefined) found.set(uuid, place);
  }
  return found;
}

/** What stands on each backend that this host uses. */
export async function listStorage(
  services: HostServices,
  before: Records,
  attempt: Attempt,
  ctx: OpContext,
): Promise<{ readonly stored: World["stored"]; readonly names: readonly string[] }> {
  const stored: World["stored"][number][] = [];
  const names: string[] = [];
  const used = new Set([...recordedDisks(before), ...before.gone].map(({ backend }) => backend));
  for (const backend of services.backends) {
    const { name } = backend;
    // A host may have plugins of storage that it never uses, and that is not there.
    const inUse = used.has(name) || name === chosenName(services);
    if (!backend.list || !inUse) continue;
    const disks = await attempt(`disks of ${name}`, () => listAll(backend.list?.(ctx)));
    if (!disks) continue;
    for (const disk of disks) stored.push({ ...disk, backend: name });
    names.push(name);
  }
  return { stored, names };
}

/** Which lists can be taken for the whole. A list that lacks what was seen there a moment ago is a trouble. */
export function provenLists(
  names: readonly string[],
  { instances, stored, whereabouts, busy }: Pick<World, "instances" | "stored" | "whereabouts" | "busy">,
): { readonly listed: World["listed"]; readonly troubles: readonly string[] } {
  const troubles: string[] = [];
  const listed = new Map<string, "whole" | "unproven">();
  const records = recordedDisks({ instances }).filter(({ instanceUuid }) => !busy.has(instanceUuid));
  for (const name of names) {
    const paths = new Set(stored.filter(({ backend }) => backend === name).map(({ path }) => path));
    const own = records.filter(({ backend }) => backend === name);
    const there = own.filter(({ uuid }) => whereabouts.get(uuid) === "there");
    const missed = there.find(({ path }) => !paths.has(path));
    if (missed)
      troubles.push(
        `disks of ${name}: the list lacks ${missed.path}, which is there; it is not taken for whole`,
      );
    const known = own.every(({ uuid }) => whereabouts.has(uuid));
    listed.set(name, known && there.length > 0 && !missed ? "whole" : "unproven");
  }
  return { listed, troubles };
}

/** Deleted snapshots whose file is not there, where that proves something: its directory is there, and not empty. */
export async function snapshotsGone({ gone }: Records): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  for (const { uuid, path, backend } of gone) {
    if (backend !== undefined || (await fileIdentity(path))) continue;
    const beside = await readdir(dirname(path)).catch(() => []);
    if (beside.length > 0) found.add(uuid);
  }
  return found;
}

function chosenName(services: HostServices): string | undefined {
  try {
    return services.chosenBackend.name;
  } catch {
    return undefined;
  }
}

/** Directories of instances in which there is nothing. */
export async function emptyOnes(instancesPath: string): Promise<World["emptyDirectories"]> {
  const names = await readdir(instancesPath).catch(() => []);
  const found: World["emptyDirectories"][number][] = [];
  for (const instanceUuid of names.filter((name) => INSTANCE.test(name))) {
    const path = join(instancesPath, instanceUuid);
    const inside = await readdir(path).catch(() => undefined);
    if (inside?.length !== 0) continue;
    const { ctime } = await stat(path);
    found.push({ path, instanceUuid, changedAt: ctime.toISOString() });
  }
  return found;
}
