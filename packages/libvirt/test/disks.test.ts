import { execFileSync } from "node:child_process";
import { appendFileSync, readFileSync } from "node:fs";
import { GuestConsole, sharedLibvirt, startLibvirt } from "@luksmith/testing-services";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { connectLibvirt } from "../src/client.ts";
import { diskXml } from "../src/index.ts";
import { Bench, secretOf } from "./bench.ts";

const CANARY = "luksmith canary: never in the clear";
const MIB = 1_048_576n;

beforeAll(async () => void (await sharedLibvirt()), 180_000);

/** A loop device of the file's, or undefined where this machine has none. */
function loopDevice(file: string): string | undefined {
  try {
    const device = execFileSync("losetup", ["--find", "--show", file], { encoding: "utf8" }).trim();
    onTestFinished(() => void execFileSync("losetup", ["--detach", device]));
    return device;
  } catch {
    return undefined;
  }
}

test("a guest's disk may be a block device", async (context) => {
  const b = await Bench.open(await sharedLibvirt());
  const made = b.disk("vda");
  const device = loopDevice(made.file);
  if (device === undefined) return context.skip("no loop devices here");
  const source = { type: "block", dev: device, format: "raw" } as const;
  const { uuid, console } = await b.boot([{ ...made, disk: { ...made.disk, source } }]);
  expect(await console.size("/dev/vda")).toBe(16n * MIB);
  await console.write("/dev/vda", CANARY);
  expect(await console.holds("/dev/vda", CANARY)).toBe(true);
  expect(await b.libvirt.disks.info(uuid, "vda", b.ctx)).toMatchObject({ capacity: 16n * MIB });
  await b.libvirt.domains.destroy(uuid, b.ctx);
  expect(readFileSync(made.file).includes(CANARY)).toBe(false);
}, 180_000);

test("a guest sees of a device that is longer than its disk no more than the disk", async () => {
  const b = await Bench.open(await sharedLibvirt());
  const { uuid, console } = await b.boot([b.disk("vda")]);
  const later = b.disk("vdb", 8);
  appendFileSync(later.file, Buffer.alloc(3 * Number(MIB), 255));
  const source = { type: "block", dev: later.file, format: "raw", dataOffset: 2 * Number(MIB) } as const;
  // Not every machine has block devices to spare; libvirt treats a file's slices as a device's.
  const xml = diskXml({ ...later.disk, source })
    .replace("type='block'", "type='file'")
    .replace("<source dev=", "<source file=");
  await b.secrets.ensure(secretOf(uuid, later), later.passphrase, b.ctx);
  await b.libvirt.disks.attach(uuid, xml, b.ctx);
  await console.run("while [ ! -b /dev/vdb ]; do sleep 0.1; done");
  expect(await console.size("/dev/vdb")).toBe(8n * MIB);
  await console.write("/dev/vdb", CANARY);
  expect(await console.holds("/dev/vdb", CANARY)).toBe(true);
  await b.libvirt.domains.destroy(uuid, b.ctx);
  const end = readFileSync(later.file).subarray(-3 * Number(MIB));
  expect(end.every((byte) => byte === 255)).toBe(true);
}, 180_000);

describe("a disk that is plugged in while the guest runs", () => {
  test("is seen, used and taken out again; a wrong passphrase leaves the guest as it was", async () => {
    const b = await Bench.open(await sharedLibvirt());
    const guest = await b.boot([b.disk("vda")]);
    const { uuid, console } = guest;
    const later = b.disk("vdb", 8);
    const xml = diskXml(later.disk);
    const attach = () => b.libvirt.disks.attach(uuid, xml, b.ctx);
    await expect(attach()).rejects.toMatchObject({ code: "GuestSecretMissing" });
    await b.secrets.ensure(secretOf(uuid, later), guest.root.passphrase, b.ctx);
    await expect(attach()).rejects.toMatchObject({ code: "GuestDiskNotOpened" });
    await b.secrets.ensure(secretOf(uuid, later), later.passphrase, b.ctx);
    await attach();
    await console.run("while [ ! -b /dev/vdb ]; do sleep 0.1; done");
    expect(await console.size("/dev/vdb")).toBe(8n * MIB);
    await console.write("/dev/vdb", CANARY);
    // It stays over the next start, and libvirt's own XML names the secret, never its value.
    expect(await b.libvirt.domains.xml(uuid, b.ctx, "persistent")).toContain(later.secretId);
    await b.libvirt.disks.detach(uuid, xml, b.ctx);
    await expect
      .poll(() => b.libvirt.domains.xml(uuid, b.ctx), { timeout: 60_000 })
      .not.toContain(later.file);
    expect(await b.libvirt.domains.xml(uuid, b.ctx, "persistent")).not.toContain(later.file);
    expect(readFileSync(later.file).includes(CANARY)).toBe(false);
  }, 300_000);
});

test("a running guest moves to another daemon, its disk copied from one key to another", async () => {
  const [from, to] = [await startLibvirt(), await startLibvirt()];
  onTestFinished(async () => {
    await from[Symbol.asyncDispose]();
    await to[Symbol.asyncDispose]();
  });
  const [source, target] = [await Bench.open(from), await Bench.open(to)];
  const events: string[] = [];
  await source.libvirt.domains.onChange(({ kind }) => void events.push(kind), source.ctx);
  const guest = await source.boot([source.disk("vda")]);
  const { uuid } = guest;
  await guest.console.write("/dev/vda", CANARY);
  // Over there: a disk of the same size with a key of its own, and its secret, before the guest comes.
  const copy = target.disk("vda");
  await target.secrets.ensure(secretOf(uuid, copy), copy.passphrase, target.ctx);
  const consolePath = target.path("console");
  const destinationXml = guest.xml
    .replaceAll(guest.root.file, copy.file)
    .replaceAll(guest.root.secretId, copy.secretId)
    .replaceAll(guest.consolePath, consolePath);
  await source.libvirt.migrations.run(
    uuid,
    {
      destinationUri: to.uri,
      migrateUri: `unix://${to.stateDirectory}/memory`,
      disksUri: `unix://${to.stateDirectory}/disks`,
      copyDisks: ["vda"],
      destinationXml,
      timeoutMs: 240_000,
    },
    source.ctx,
  );
  onTestFinished(async () => {
    using libvirt = await connectLibvirt(to.uri, target.ctx);
    await libvirt.domains.destroy(uuid, target.ctx);
  });
  expect(await source.libvirt.domains.find(uuid, source.ctx)).toBeUndefined();
  expect(await target.libvirt.domains.state(uuid, target.ctx)).toBe("running");
  expect(await target.libvirt.domains.xml(uuid, target.ctx, "persistent")).toContain(copy.file);
  using console = new GuestConsole(consolePath);
  expect(await console.holds("/dev/vda", CANARY)).toBe(true);
  expect(events).toContain("stopped");
  for (const { file } of [guest.root, copy]) expect(readFileSync(file).includes(CANARY)).toBe(false);
}, 600_000);
