import { randomUUID } from "node:crypto";
import { copyFileSync, linkSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { rekeyDisks, snapshotDisk } from "@luksmith/core/host";
import { connectLibvirt } from "@luksmith/libvirt/client";
import { testContext } from "../workspace.ts";
import type { DiskRecord, GcHost, Storage } from "./gc-host.ts";

/** What a reconciler shall say of something: its kind, and what it is about. */
export interface Plant {
  readonly kind: string;
  readonly object: string;
}

/** What is planted, and what was made for it that must not be touched. */
export interface Planted {
  readonly plants: Plant[];
  /** Instances that have no fault. */
  readonly sound: string[];
}

function secretOf({ encryption }: DiskRecord): string {
  return encryption?.secretId ?? "";
}

/** Ten kinds on one storage, of the disks and of their keys. */
export async function plantOnStorage(
  gc: GcHost,
  storage: Storage,
  { plants, sound }: Planted,
): Promise<void> {
  gc.use(storage);
  const made = await gc.make(11);
  const [missing, replaced, renamed, twin, returned, remnant, lost, orphan, rekeyed, uncopied, whole] =
    made.map(({ disk }) => disk) as [
      DiskRecord,
      DiskRecord,
      DiskRecord,
      DiskRecord,
      DiskRecord,
      DiskRecord,
      ...DiskRecord[],
    ];
  if (!lost || !orphan || !rekeyed || !uncopied || !whole) throw new Error("too few instances");
  sound.push(whole.instanceUuid);
  const plant = (kind: string, object: string): void => void plants.push({ kind, object });

  await gc.remove(storage, missing.path);
  plant("disk-missing", missing.path);

  await gc.remove(storage, replaced.path);
  await gc.occupy(storage, replaced.path);
  plant("disk-replaced", replaced.path);

  const elsewhere = `${renamed.path}.eph7`;
  await gc.rename(storage, renamed.path, elsewhere);
  plant("disk-missing", renamed.path);
  plant("disk-elsewhere", elsewhere);

  await gc.copy(storage, twin.path, `${twin.path}.eph8`);
  plant("disk-double", `${twin.path}.eph8`);

  // Its passphrase is there, too: somebody has put both back.
  const backup = storage === "rbd" ? `${dirname(returned.path)}/kept` : join(gc.temp.root, "kept");
  await gc.copy(storage, returned.path, backup);
  gc.vault.restored.add(secretOf(returned));
  await gc.delete([returned.instanceUuid]);
  if (storage !== "rbd") mkdirSync(dirname(returned.path));
  await gc.rename(storage, backup, returned.path);
  plant("disk-returned", returned.path);

  await leaveRemnant(gc, storage, remnant);
  plant("disk-remnant", remnant.path);

  await gc.vault.call("DELETE", `/v1/secrets/${secretOf(lost)}`);
  plant("secret-missing", secretOf(lost));

  gc.vault.restored.add(secretOf(orphan));
  const withCopy = keptCopy(gc, secretOf(orphan));
  await gc.delete([orphan.instanceUuid]);
  withCopy();
  plant("secret-orphan", secretOf(orphan));
  plant("copy-orphan", secretOf(orphan));

  gc.vault.restored.add(secretOf(rekeyed));
  const instance = await gc.instance(rekeyed.instanceUuid);
  const ctx = await gc.vault.ctx();
  await gc.life.on((host) => rekeyDisks(host, instance, undefined, ctx), ctx);
  plant("secret-superseded", secretOf(rekeyed));

  {
    using copies = gc.copies();
    copies.prepare("DELETE FROM secrets WHERE id = ?").run(secretOf(uncopied));
  }
  plant("copy-missing", secretOf(uncopied));
}

/** The very disk, without anything that opens it, after its deletion. */
async function leaveRemnant(gc: GcHost, storage: Storage, disk: DiskRecord): Promise<void> {
  const { instanceUuid, path } = disk;
  if (storage !== "rbd") {
    const linked = join(gc.temp.root, "linked");
    linkSync(path, linked);
    await gc.delete([instanceUuid]);
    mkdirSync(dirname(path));
    renameSync(linked, path);
    return;
  }
  // As the trash gives back what was deleted in it.
  const ctx = await gc.vault.ctx();
  await gc.life.on(async (host) => (await host.services()).backend("rbd").image(disk).erase(ctx), ctx);
  const { id } = JSON.parse(await gc.rbd(["info", "--format", "json"], basename(path))) as { id: string };
  await gc.rbd(["trash", "mv"], basename(path));
  await gc.delete([instanceUuid], true);
  await gc.rbd(["trash", "restore"], id);
}

/** Remembers this host's copy of a secret; the function puts it back. */
function keptCopy(gc: GcHost, id: string): () => void {
  using before = gc.copies();
  const row = before.prepare("SELECT * FROM secrets WHERE id = ?").get(id) as Record<string, string>;
  return () => {
    using database = gc.copies();
    const names = Object.keys(row);
    const marks = names.map(() => "?").join(", ");
    database
      .prepare(`INSERT INTO secrets (${names.join(", ")}) VALUES (${marks})`)
      .run(...Object.values(row));
  };
}

/** What only files have: directories, snapshots, and another host's disk where only this host's are. */
export async function plantInFiles(
  gc: GcHost,
  storage: "raw" | "qcow2",
  foreign: DiskRecord,
  { plants, sound }: Planted,
): Promise<void> {
  gc.use(storage);
  const [left, copied] = await gc.make(2);
  if (!left || !copied) throw new Error("too few instances");
  const directory = dirname(left.disk.path);
  await gc.delete([left.uuid]);
  mkdirSync(directory, { recursive: true });
  plants.push({ kind: "directory-empty", object: directory });

  sound.push(copied.uuid);
  const ctx = await gc.vault.ctx();
  for (const kind of ["snapshot-missing", "snapshot-replaced"]) {
    const path = join(gc.temp.root, `${kind}-${storage}`);
    const instance = await gc.instance(copied.uuid);
    await gc.life.on(
      (host) =>
        snapshotDisk(host, instance, { disk: "disk", target: path, format: storage, plain: false }, ctx),
      ctx,
    );
    rmSync(path);
    if (kind === "snapshot-replaced") writeFileSync(path, "another file");
    plants.push({ kind, object: path });
  }

  const unrecorded = join(gc.temp.instancesPath, foreign.instanceUuid, "disk");
  mkdirSync(dirname(unrecorded));
  copyFileSync(foreign.path, unrecorded);
  plants.push({ kind: "disk-unrecorded", object: unrecorded });
}

/** Guests that libvirt does not know, and keys that it has too many or too few. */
export async function plantGuests(gc: GcHost, { plants, sound }: Planted): Promise<void> {
  gc.use("raw");
  const ctx = await gc.vault.ctx();
  const spawn = async (start: boolean) =>
    (await gc.life.spawn(gc.image, { start, boots: "nothing" }, ctx)).instance;
  using libvirt = await connectLibvirt(gc.life.env.uri, testContext());
  for (let i = 0; i < 2; i++) {
    const { uuid } = await spawn(false);
    await libvirt.domains.undefine(uuid, testContext());
    plants.push({ kind: "guest-missing", object: uuid });
  }
  const running = await spawn(true);
  sound.push(running.uuid);
  const key = running.disks.map(secretOf)[0] ?? "";
  await libvirt.secrets.undefine(key, testContext());
  plants.push({ kind: "guest-key-missing", object: key });
  // Gone, and libvirt has them again: an older agent, or somebody's script, gave them.
  for (const { disk, uuid } of await gc.make(2)) {
    const secretId = secretOf(disk);
    await gc.delete([uuid]);
    await libvirt.secrets.define({ uuid: secretId, usage: `${uuid}_${disk.uuid}` }, testContext());
    plants.push({ kind: "guest-key-orphan", object: secretId });
  }
}

/** Half of an image, as a creation leaves it that was killed before it had its name. */
export async function plantPartial(gc: GcHost, { plants }: Planted): Promise<void> {
  const name = `luksmith-partial-${randomUUID()}`;
  await gc.rbd(["create", "--size", "1M"], name);
  plants.push({ kind: "disk-partial", object: `rbd:${gc.spec(name)}` });
}
