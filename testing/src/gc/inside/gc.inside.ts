import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import {
  createInstance,
  deleteById,
  findDiscrepancies,
  findInstance,
  type InstanceRecord,
  reconcile,
  rekeyDisks,
  type WritableHost,
} from "@luksmith/core/host";
import { afterEach, expect, test } from "vitest";
import { plainHost } from "../../legacy/inside/plain-host.ts";
import { clearGroup, cryptMappings, GROUP, tool, volumes } from "../../lvm/inside/volume-host.ts";
import { passphraseOf, type TempHost } from "../../temp-host.ts";
import { testContext } from "../../workspace.ts";
import { addStray, deleteSecret, puttingBack } from "../local-secrets.ts";

const NOW = { graceSeconds: 0 };
const MIB = 1 << 20;

afterEach(clearGroup);

type Disk = InstanceRecord["disks"][number];

const ctx = testContext();
const volumeOf = ({ path }: Disk): string => path.slice(`/dev/${GROUP}/`.length);
const secretOf = ({ encryption }: Disk): string => encryption?.secretId ?? "";
const told = (each: readonly { readonly kind: string; readonly object: string }[]): readonly string[] =>
  each.map(({ kind, object }) => `${kind} ${object}`).toSorted();

function makeVolume(name: string): string {
  tool("lvcreate", ["-qq", "-y", "-Wn", "-Zn", "-L", "3M", "-n", name, GROUP]);
  const path = `/dev/${GROUP}/${name}`;
  // A new volume has what was on its extents before: a removed disk's header.
  tool("dd", ["if=/dev/zero", `of=${path}`, "bs=1M", "count=3", "status=none"]);
  return path;
}

function removeVolume(disk: Disk): void {
  tool("lvremove", ["-qq", "-f", `${GROUP}/${volumeOf(disk)}`]);
}

function rename(from: string, to: string): void {
  tool("lvrename", ["-qq", GROUP, from, to]);
}

function cryptsetup(key: string | Buffer, ...args: readonly string[]): void {
  execFileSync("cryptsetup", ["--batch-mode", "--key-file=-", ...args], { input: key, timeout: 60_000 });
}

async function make(temp: TempHost, host: WritableHost, image: string): Promise<Disk> {
  const [disk] = (await createInstance(host, await temp.request(image), ctx)).disks;
  if (!disk) throw new Error("an instance without a disk");
  return disk;
}

/** What each volume has, with what LVM and the kernel say of it. */
function picture(): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const report = tool("lvs", ["--noheadings", "-o", "lv_name,lv_uuid,lv_tags,lv_attr", GROUP]);
  for (const line of report.split("\n")) {
    const [name = "", ...rest] = line.trim().split(/\s+/u);
    if (name === "") continue;
    found.set(name, `${rest.join(" ")} ${tool("sha256sum", [`/dev/${GROUP}/${name}`]).slice(0, 64)}`);
  }
  for (const name of cryptMappings()) found.set(`mapping ${name}`, tool("dmsetup", ["table", name]));
  return found;
}

/** Others': a system's volume, a plain disk of Nova's, an encrypted one that nobody here knows, and their mappings; its path. */
function addNeighbours(): string {
  makeVolume(`${randomUUID()}_disk`);
  const unknown = `${randomUUID()}_disk`;
  const path = makeVolume(unknown);
  cryptsetup("theirs", "luksFormat", "--type=luks1", "--pbkdf-force-iterations=1000", path);
  cryptsetup("theirs", "open", "--type=luks1", path, `${unknown}-luks`);
  const plain = ["--type=plain", "--cipher=aes-xts-plain64", "--key-size=512"];
  cryptsetup("x".repeat(64), "open", ...plain, makeVolume("root"), "swap-crypt");
  return path;
}

/** What fails here is told outside by its message alone. */
function expectSame(found: readonly string[], expected: readonly string[]): void {
  const more = found.filter((each) => !expected.includes(each));
  const less = expected.filter((each) => !found.includes(each));
  if (more.length + less.length > 0 || found.length !== expected.length)
    throw new Error(
      `found besides: ${more.join(", ") || "nothing"}; not found: ${less.join(", ") || "nothing"}`,
    );
}

test(
  "14 faults of 12 kinds on volumes: all are found, what is proven is removed, and nothing of others is touched",
  { timeout: 600_000 },
  async () => {
    const temp = plainHost({ enabled: false });
    const image = temp.addImage(MIB);
    const plants: { kind: string; object: string }[] = [];
    const plant = (kind: string, object: string): void => void plants.push({ kind, object });
    await using host = await temp.write(ctx);
    const forget = (disk: Disk, forgetMissing = false) =>
      deleteById(host, disk.instanceUuid, { forgetMissing }, ctx);

    const whole = await make(temp, host, image);
    const missing = await make(temp, host, image);
    removeVolume(missing);
    plant("disk-missing", missing.path);

    const replaced = await make(temp, host, image);
    removeVolume(replaced);
    makeVolume(volumeOf(replaced));
    plant("disk-replaced", replaced.path);

    const renamed = await make(temp, host, image);
    rename(volumeOf(renamed), `${volumeOf(renamed)}.eph7`);
    plant("disk-missing", renamed.path);
    plant("disk-elsewhere", `${renamed.path}.eph7`);

    const twin = await make(temp, host, image);
    tool("dd", [`if=${twin.path}`, `of=${makeVolume(`${volumeOf(twin)}.eph8`)}`, "bs=1M", "status=none"]);
    plant("disk-double", `${twin.path}.eph8`);

    const returned = await make(temp, host, image);
    tool("dd", [`if=${returned.path}`, `of=${makeVolume("kept")}`, "bs=1M", "status=none"]);
    await puttingBack(temp, [secretOf(returned)], () => forget(returned));
    rename("kept", volumeOf(returned));
    plant("disk-returned", returned.path);

    // The very volume, without anything that opens it, after its deletion.
    const remnant = await make(temp, host, image);
    await (await host.services()).backend("lvm").image(remnant).erase(ctx);
    rename(volumeOf(remnant), "aside");
    await forget(remnant, true);
    rename("aside", volumeOf(remnant));
    plant("disk-remnant", remnant.path);

    const lost = await make(temp, host, image);
    deleteSecret(temp, secretOf(lost));
    plant("secret-missing", secretOf(lost));

    const orphan = await make(temp, host, image);
    await puttingBack(temp, [secretOf(orphan)], () => forget(orphan));
    plant("secret-orphan", secretOf(orphan));

    const rekeyed = await make(temp, host, image);
    const instance = await findInstance(host, rekeyed.instanceUuid);
    await puttingBack(temp, [secretOf(rekeyed)], () => rekeyDisks(host, instance, undefined, ctx));
    plant("secret-superseded", secretOf(rekeyed));

    const stray = randomUUID();
    addStray(temp, stray, `Ephemeral encryption secret for instance ${randomUUID()} BDM ${randomUUID()}`);
    plant("secret-unrecorded", stray);

    // The kernel shows its bytes still, in clear; the disk itself is under another name.
    const open = await make(temp, host, image);
    using passphrase = await passphraseOf(host, secretOf(open));
    const mapping = `${volumeOf(open)}-luks`;
    rename(volumeOf(open), "hidden");
    passphrase.use((bytes) =>
      cryptsetup(Buffer.from(bytes), "open", "--type=luks1", `/dev/${GROUP}/hidden`, mapping),
    );
    await forget(open, true);
    plant("mapping-orphan", `/dev/mapper/${mapping}`);
    plant("disk-returned", `/dev/${GROUP}/hidden`);

    plant("disk-unrecorded", addNeighbours());
    expect(new Set(plants.map(({ kind }) => kind)).size).toBe(12);

    const before = picture();
    const report = await findDiscrepancies(host, NOW, ctx);
    expectSame(told(report.discrepancies), told(plants));
    expect(report.troubles).toEqual([]);
    expect(picture()).toEqual(before);

    // Younger than a day.
    const young = await reconcile(host, { graceSeconds: 86_400 }, ctx);
    expect(young.outcomes.filter(({ outcome }) => outcome !== "left")).toEqual([]);
    expect(picture()).toEqual(before);

    const { outcomes } = await reconcile(host, NOW, ctx);
    const done = outcomes
      .filter(({ outcome }) => outcome === "done")
      .map(({ discrepancy: { kind } }) => kind);
    expect(done.toSorted()).toEqual(["disk-remnant", "secret-orphan", "secret-superseded"]);
    expect(outcomes.filter(({ outcome }) => outcome === "failed" || outcome === "refused")).toEqual([]);
    const after = new Map(before);
    after.delete(volumeOf(remnant));
    expect(picture()).toEqual(after);
    expect(volumes()).not.toContain(volumeOf(remnant));
    for (const disk of [whole, twin, rekeyed]) {
      const { disks } = await findInstance(host, disk.instanceUuid);
      for (const now of disks) await (await host.services()).backend("lvm").image(now).requireOpens(ctx);
    }
    // The passphrase of what was put back was to be deleted, and is there.
    using kept = await passphraseOf(host, secretOf(returned));
    expect(kept.use((bytes) => bytes.length)).toBeGreaterThan(0);
  },
);
