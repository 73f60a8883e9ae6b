import type { GuestState } from "../../guest/hypervisor.ts";
import { hasHeader, ownSecret } from "../../image/image-disk.ts";
import { type OpContext, throwIfCancelled } from "../../image/op-context.ts";
import type { Inventory } from "../../journal/inventory.ts";
import { missingSecrets, type OwnedDisk } from "../doctor/missing-secrets.ts";
import type { ReadableHost } from "../host.ts";
import type { HostServices } from "../host-services.ts";
import { copiesOf } from "./copies-of.ts";
import { listAll } from "./list-all.ts";
import { emptyOnes, listStorage, lookAtRecords, provenLists, snapshotsGone } from "./observe-storage.ts";
import { recordedDisks, type World } from "./world.ts";

export type Records = Pick<World, "instances" | "snapshots" | "guests" | "gone" | "copying">;

/**
 * Looks at everything that is compared. The inventory is read before and after: what an operation works on, or changed meanwhile,
 * is busy and not judged. What cannot be looked at is a trouble, and the rest is looked at all the same.
 * @throws `Cancelled`, and what keeps the inventory or the plugins from being read
 */
export async function observe(host: ReadableHost, ctx: OpContext): Promise<World> {
  const services = await host.services();
  const { inventory } = host;
  const before = records(inventory);
  const open = unfinished(inventory);
  const troubles: string[] = [];
  const attempt = async <T>(what: string, look: () => Promise<T>): Promise<T | undefined> => {
    throwIfCancelled(ctx);
    try {
      return await look();
    } catch (error) {
      throwIfCancelled(ctx);
      troubles.push(`${what}: ${error instanceof Error ? error.message : String(error)}`);
      return undefined;
    }
  };
  const whereabouts = await lookAtRecords(services, before, attempt, ctx);
  const { stored, names } = await listStorage(services, before, attempt, ctx);
  const emptyDirectories = await attempt("directories of instances", () =>
    emptyOnes(host.config.DEFAULT.instances_path),
  );
  const keys = await lookAtSecrets(services, before, attempt, ctx);
  const copies = await attempt("copies of secrets", () => listAll(services.copies.store?.list(ctx)));
  const hypervisor = await lookAtGuests(services, before, attempt, ctx);
  const mappings = await attempt("mappings", () => openMappings(services, ctx));
  const busy = new Set([...open, ...unfinished(inventory), ...changed(before, records(inventory))]);
  const proven = provenLists(names, { ...before, stored, whereabouts, busy });
  return {
    ...before,
    busy,
    whereabouts,
    stored,
    listed: proven.listed,
    snapshotsGone: (await attempt("files of snapshots", () => snapshotsGone(before))) ?? new Set(),
    emptyDirectories: emptyDirectories ?? [],
    ...keys,
    copies: services.copies.store ? copies : undefined,
    keepsCopies: keepsCopies(host, services),
    ...hypervisor,
    mappings: mappings ?? [],
    troubles: [...troubles, ...proven.troubles],
  };
}

async function openMappings(services: HostServices, ctx: OpContext): Promise<World["mappings"]> {
  const found: World["mappings"][number][] = [];
  for (const extension of services.backendExtensions) {
    for (const { mapping, instanceUuid, name } of (await extension.find?.(ctx)) ?? []) {
      if (mapping !== undefined) found.push({ mapping, instanceUuid, name, uuid: undefined });
    }
  }
  for (const backend of services.backends) found.push(...((await backend.mappings?.(ctx)) ?? []));
  return found;
}

export type Attempt = <T>(what: string, look: () => Promise<T>) => Promise<T | undefined>;

function records(inventory: Inventory | undefined): Records {
  const instances = inventory?.instances() ?? [];
  return {
    instances,
    copying: instances.flatMap((instance) => copiesOf(inventory, instance)),
    snapshots: inventory?.snapshots() ?? [],
    guests: inventory?.guests.all() ?? [],
    gone: inventory?.gone() ?? [],
  };
}

/** Copies that live for a while only are missing by right. */
function keepsCopies({ config: { luksmith } }: ReadableHost, { keys }: HostServices): boolean {
  return luksmith.secret_security === "host" && luksmith.host_copy_lifetime === 0 && keys.scope !== undefined;
}

function unfinished(inventory: Inventory | undefined): readonly string[] {
  return inventory?.unfinished().map(({ subject }) => subject) ?? [];
}

/** Instances and snapshots that are not what they were. */
function changed(before: Records, after: Records): readonly string[] {
  const text = (each: unknown): string =>
    JSON.stringify(each, (_, value: unknown) => (typeof value === "bigint" ? String(value) : value));
  const of = ({ instances, snapshots, gone }: Records): ReadonlyMap<string, string> => {
    const entries = [...instances, ...snapshots].map((each) => [each.uuid, text(each)] as const);
    return new Map([...entries, ...gone.map((each) => [each.instanceUuid, ""] as const), ...entries]);
  };
  const [old, now] = [of(before), of(after)];
  return [...new Set([...old.keys(), ...now.keys()])].filter((uuid) => old.get(uuid) !== now.get(uuid));
}

async function lookAtSecrets(
  { keys, hasKeyManager }: HostServices,
  before: Records,
  attempt: Attempt,
  ctx: OpContext,
): Promise<Pick<World, "secrets" | "scope" | "secretless">> {
  const nothing = { secrets: undefined, scope: "not known", secretless: new Set<string>() };
  if (!hasKeyManager) return nothing;
  const found = await attempt(`secrets of ${keys.name}`, async () => {
    const scope = await keys.scope?.(ctx);
    const secrets = keys.list ? await listAll(keys.list({}, ctx)) : undefined;
    const owned = ownedSecrets(before);
    const { missing } = await missingSecrets(keys, owned, ctx);
    return { secrets, scope, secretless: new Set(missing.map(({ uuid }) => uuid)) };
  });
  return found ?? nothing;
}

function ownedSecrets({ instances, snapshots }: Records): readonly (OwnedDisk & { readonly uuid: string })[] {
  const projects = new Map(instances.map(({ uuid, projectId }) => [uuid, projectId]));
  const owned: (OwnedDisk & { readonly uuid: string })[] = [];
  for (const { uuid, name, instanceUuid, path, encryption } of recordedDisks({ instances }).filter(
    hasHeader,
  )) {
    owned.push({ uuid, name, instanceUuid, path, encryption, projectId: projects.get(instanceUuid) });
  }
  for (const { uuid, diskName: name, instanceUuid, path, encryption } of snapshots) {
    if (!ownSecret(encryption)) continue;
    owned.push({ uuid, name, instanceUuid, path, encryption, projectId: projects.get(instanceUuid) });
  }
  return owned;
}

async function lookAtGuests(
  services: HostServices,
  before: Records,
  attempt: Attempt,
  ctx: OpContext,
): Promise<Pick<World, "keys" | "guestStates">> {
  const guestStates = new Map<string, GuestState>();
  if (!services.hasHypervisor) return { keys: undefined, guestStates };
  const { hypervisor } = services;
  const keys = await attempt(`keys in ${hypervisor.name}`, () => hypervisor.keys(ctx));
  const had = new Set(before.gone.map(({ instanceUuid }) => instanceUuid));
  const ofKeys = (keys ?? []).flatMap(({ use }) =>
    use.kind === "disk" && had.has(use.instanceUuid) ? [use.instanceUuid] : [],
  );
  for (const uuid of new Set([...before.guests.map((guest) => guest.uuid), ...ofKeys])) {
    const state = await attempt(`guest ${uuid}`, () => hypervisor.state(uuid, ctx));
    if (state !== undefined) guestStates.set(uuid, state);
  }
  return { keys, guestStates };
}
