import type { FoundDisk } from "../../image/image-backend.ts";
import type { OpContext } from "../../image/op-context.ts";
import type { DiskRecord } from "../../journal/inventory.ts";
import type { ReadableHost } from "../host.ts";

/** A disk of dm-crypt's plain mode, or one that may be. */
export interface LegacyDisk {
  readonly name: string;
  readonly path: string;
  /** Bytes that the guest sees; of a disk that is not in the inventory, those of its storage. */
  readonly bytes: bigint;
  /** Where it is open. */
  readonly mapping: string | undefined;
  readonly cipher: string | undefined;
  /** `inventory`: recorded here; `mapping`: it is open; `name`: only its name says so, it may be of another format. */
  readonly knownBy: "inventory" | "mapping" | "name";
  /** Bytes that a migration has copied; undefined: none has begun. */
  readonly copied: bigint | undefined;
}

export interface LegacyInstance {
  readonly uuid: string;
  readonly name: string | undefined;
  /** Whether it is in the inventory: what is not has to be adopted first. */
  readonly known: boolean;
  readonly disks: readonly LegacyDisk[];
}

/**
 * Instances with disks of dm-crypt's plain mode: those of the inventory, and those that Nova has left on this host's storage. Changes nothing.
 */
export async function listLegacy(host: ReadableHost, ctx: OpContext): Promise<readonly LegacyInstance[]> {
  const services = await host.services();
  const found: FoundDisk[] = [];
  for (const extension of services.backendExtensions) found.push(...((await extension.find?.(ctx)) ?? []));
  const instances: LegacyInstance[] = [];
  const known = new Set<string>();
  for (const { uuid, name, disks } of host.inventory?.instances() ?? []) {
    known.add(uuid);
    const plain = disks.filter(({ encryption }) => encryption?.format === "plain");
    if (plain.length === 0) continue;
    instances.push({ uuid, name, known: true, disks: plain.map((disk) => recorded(host, disk, found)) });
  }
  const strangers = Map.groupBy(
    found.filter(({ instanceUuid }) => !known.has(instanceUuid)),
    ({ instanceUuid }) => instanceUuid,
  );
  for (const [uuid, disks] of strangers) {
    instances.push({ uuid, name: undefined, known: false, disks: disks.map(stranger) });
  }
  return instances;
}

function recorded(host: ReadableHost, disk: DiskRecord, found: readonly FoundDisk[]): LegacyDisk {
  const seen = found.find(
    ({ instanceUuid, name }) => instanceUuid === disk.instanceUuid && name === disk.name,
  );
  const cipher = disk.encryption?.options?.["cipher"];
  return {
    name: disk.name,
    path: disk.path,
    bytes: disk.virtualSize,
    mapping: seen?.mapping,
    cipher: typeof cipher === "string" ? cipher : undefined,
    knownBy: "inventory",
    copied: host.inventory?.reencryptions.find(disk.uuid)?.copied,
  };
}

function stranger({ name, path, bytes, mapping, cipher }: FoundDisk): LegacyDisk {
  const knownBy = mapping === undefined ? "name" : "mapping";
  return { name, path, bytes, mapping, cipher, knownBy, copied: undefined };
}
