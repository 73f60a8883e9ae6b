import { randomUUID } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { sharedLibvirt } from "@luksmith/testing-services";
import { beforeAll, describe, expect, test } from "vitest";
import { connectLibvirt, domainDisks } from "../src/client.ts";
import { Bench } from "./bench.ts";

const CANARY = "luksmith canary: never in the clear";

beforeAll(async () => void (await sharedLibvirt()), 180_000);

const bench = async () => Bench.open(await sharedLibvirt());
const contains = (file: string, text: string) => readFileSync(file).includes(text);

describe("what libvirt would do to an encrypted disk", () => {
  test("a plain overlay is refused; an encrypted one holds nothing in the clear, and merges back", async () => {
    const b = await bench();
    const [first, second] = [b.disk("vda"), b.disk("vdb")];
    const { uuid, console } = await b.boot([first, second]);
    const file = b.path("overlay");
    const overlay = { device: "vda", file, exists: false };
    await expect(b.libvirt.disks.snapshot(uuid, [overlay], b.ctx)).rejects.toMatchObject({
      code: "PlaintextCopyRefused",
    });
    expect(existsSync(file)).toBe(false);
    const { secretId } = first;
    await patiently(() => b.libvirt.disks.snapshot(uuid, [{ ...overlay, secretId }], b.ctx));
    await console.write("/dev/vda", CANARY);
    await console.write("/dev/vdb", CANARY);
    // It is in the overlay, whose size says so, but not to be read there.
    expect(readFileSync(file).length).toBeGreaterThan(65_536);
    expect(contains(file, CANARY)).toBe(false);
    // libvirt would have given the other disk an overlay as well, a plain one.
    expect(domainDisks(await b.libvirt.domains.xml(uuid, b.ctx))).toEqual([
      { device: "vda", source: file, encrypted: true, mirrored: false },
      { device: "vdb", source: second.file, encrypted: true, mirrored: false },
    ]);
    await b.libvirt.disks.commit(uuid, "vda", b.ctx);
    expect(await console.holds("/dev/vda", CANARY)).toBe(true);
    expect(await b.libvirt.domains.xml(uuid, b.ctx)).not.toContain(file);
    for (const each of [first, second]) expect(contains(each.file, CANARY)).toBe(false);
  }, 300_000);

  test("a plain copy is refused; an encrypted one holds nothing in the clear, and the guest goes on with it", async () => {
    const b = await bench();
    const { uuid, console, root } = await b.boot([b.disk("vda")]);
    await console.write("/dev/vda", CANARY);
    // A container of the same size, made before: QEMU's own takes minutes of key stretching on a busy machine.
    const target = b.disk("vda");
    const { secretId, passphrase } = target;
    await b.secrets.ensure(
      { uuid: secretId, use: { kind: "disk", instanceUuid: uuid, diskUuid: target.disk.uuid } },
      passphrase,
      b.ctx,
    );
    const source = { type: "file", file: target.file, format: "raw" } as const;
    await expect(
      b.libvirt.disks.startCopy(uuid, "vda", { source, exists: true }, b.ctx),
    ).rejects.toMatchObject({ code: "PlaintextCopyRefused" });
    await b.libvirt.disks.startCopy(uuid, "vda", { source: { ...source, secretId }, exists: true }, b.ctx);
    await expect
      .poll(() => b.libvirt.disks.job(uuid, "vda", b.ctx), { timeout: 60_000 })
      .toMatchObject({ kind: "copy", ready: true });
    await b.libvirt.disks.finishCopy(uuid, "vda", "pivot", b.ctx);
    expect(domainDisks(await b.libvirt.domains.xml(uuid, b.ctx))).toEqual([
      { device: "vda", source: target.file, encrypted: true, mirrored: false },
    ]);
    expect(await console.holds("/dev/vda", CANARY)).toBe(true);
    for (const each of [root, target]) expect(contains(each.file, CANARY)).toBe(false);
  }, 300_000);

  test("a disk grows under the guest, and never shrinks", async () => {
    const b = await bench();
    const { uuid, console } = await b.boot([b.disk("vda", 16)]);
    const mib = (count: number) => BigInt(count) * 1_048_576n;
    await b.libvirt.disks.grow(uuid, "vda", mib(24), b.ctx);
    expect(await console.size("/dev/vda")).toBe(mib(24));
    await expect(b.libvirt.disks.grow(uuid, "vda", mib(16), b.ctx)).rejects.toMatchObject({
      code: "CannotShrink",
      details: { virtual_size: Number(mib(24)) },
    });
    await b.libvirt.disks.grow(uuid, "vda", mib(24), b.ctx);
    expect(await console.size("/dev/vda")).toBe(mib(24));
    expect(await b.libvirt.disks.info(uuid, "vda", b.ctx)).toMatchObject({ capacity: mib(24) });
  }, 300_000);

  test("a start that waits for a monitor that is away ends in time, and destroying frees the guest", async () => {
    const b = await bench();
    const encrypted = b.disk("vda");
    // TEST-NET-1 (RFC 5737): packets go nowhere.
    const hosts = [{ name: "192.0.2.1", port: "6789" }];
    const source = { type: "network", protocol: "rbd", name: "vms/disk", hosts, format: "raw" } as const;
    const guest = await b.define([{ ...encrypted, disk: { ...encrypted.disk, source } }]);
    await b.setSecrets(guest);
    const started = b.libvirt.domains.start(guest.uuid, b.ctx, { timeoutMs: 3000 });
    await expect(started).rejects.toMatchObject({ code: "LibvirtTimedOut", retryable: true });
    // Others are served meanwhile.
    expect((await b.libvirt.version(b.ctx)).qemu).toMatch(/^\d+\.\d+/);
    await b.libvirt.domains.destroy(guest.uuid, b.ctx);
    await expect.poll(() => b.libvirt.domains.state(guest.uuid, b.ctx), { timeout: 60_000 }).toBe("off");
    expect(await b.libvirt.domains.undefine(guest.uuid, b.ctx)).toBe(true);
  }, 120_000);
});

describe("a guest that cannot have its disk", () => {
  test.each([
    ["no secret", "GuestSecretMissing"],
    ["a secret without a value", "GuestSecretMissing"],
    ["another disk's passphrase", "GuestDiskNotOpened"],
    ["a disk whose header is gone", "GuestDiskNotOpened"],
    ["a disk that is not there", "DiskNotFound"],
  ])(
    "says so when it has %s",
    async (what, code) => {
      const b = await bench();
      const disk = b.disk("vda");
      const guest = await b.define([disk]);
      if (what !== "no secret") await b.setSecrets(guest);
      if (what.startsWith("a secret")) {
        await b.libvirt.secrets.undefine(disk.secretId, b.ctx);
        const usage = `${guest.uuid}_${disk.disk.uuid}`;
        await b.libvirt.secrets.define({ uuid: disk.secretId, usage }, b.ctx);
      }
      if (what.startsWith("another")) {
        await b.libvirt.secrets.setValue(disk.secretId, b.disk("vdb").passphrase, b.ctx);
      }
      if (what.includes("header")) {
        writeFileSync(disk.file, Buffer.alloc(4 * 1_048_576));
      }
      if (what.includes("not there")) rmSync(disk.file);
      const refused = await b.libvirt.domains.start(guest.uuid, b.ctx).catch((error: unknown) => error);
      expect(refused).toMatchObject({ code, details: { guest: guest.uuid } });
      expect(String(refused)).not.toContain("-blockdev");
      expect(await b.libvirt.domains.state(guest.uuid, b.ctx)).toBe("off");
    },
    60_000,
  );

  test("says who else has it", async () => {
    const b = await bench();
    const disk = b.disk("vda");
    const first = await b.define([disk]);
    await b.setSecrets(first);
    await b.libvirt.domains.start(first.uuid, b.ctx, { paused: true });
    // The same secret serves both: it is the disk's.
    const second = await b.define([disk]);
    await expect(b.libvirt.domains.start(second.uuid, b.ctx)).rejects.toMatchObject({ code: "DiskInUse" });
    await expect(b.libvirt.domains.start(first.uuid, b.ctx)).rejects.toMatchObject({
      code: "DomainStateConflict",
    });
  }, 60_000);

  test("is not found under a uuid that nobody has", async () => {
    const b = await bench();
    const uuid = randomUUID();
    expect(await b.libvirt.domains.find(uuid, b.ctx)).toBeUndefined();
    expect(await b.libvirt.domains.undefine(uuid, b.ctx)).toBe(false);
    await expect(b.libvirt.domains.start(uuid, b.ctx)).rejects.toMatchObject({ code: "DomainNotFound" });
  });

  test("names what is wrong with its XML", async () => {
    const b = await bench();
    const guest = await b.define([b.disk("vda")]);
    const define = (xml: string) => b.libvirt.domains.define(xml, b.ctx);
    const code = "DomainXmlInvalid";
    await expect(define("<domain")).rejects.toMatchObject({ code });
    await expect(define(guest.xml.replace("<vcpu>", "<wcpu>"))).rejects.toMatchObject({ code });
    const twin = guest.xml.replaceAll(guest.uuid, randomUUID());
    await expect(define(twin)).rejects.toMatchObject({ code: "DomainExists" });
  });
});

test("the passphrase is nowhere but in memory", async () => {
  const b = await bench();
  const { name, root } = await b.boot([b.disk("vda")]);
  const needles = root.passphrase.use((bytes) => [
    Buffer.from(bytes),
    Buffer.from(Buffer.from(bytes).toString("base64")),
    Buffer.from(Buffer.from(bytes).toString("hex")),
  ]);
  const commandLine = Buffer.from((await b.env.qemuCommandLine(name))!.join("\0"));
  expect(commandLine.toString()).toContain("encryption-secret0");
  const files = ["lib", "run", "log", "etc"].flatMap((folder) =>
    regularFiles(join(b.env.stateDirectory, folder)),
  );
  expect(files.length).toBeGreaterThan(5);
  for (const needle of needles) {
    expect(commandLine.includes(needle)).toBe(false);
    expect(files.filter((file) => readFileSync(file).includes(needle))).toEqual([]);
  }
  using again = await connectLibvirt(b.env.uri, b.ctx);
  expect(await again.secrets.attributes(root.secretId, b.ctx)).toEqual({
    ephemeral: true,
    private: true,
  });
}, 300_000);

function regularFiles(folder: string): readonly string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries.filter((each) => each.isFile()).map((each) => join(each.parentPath, each.name));
}

/** QEMU measures how fast it stretches keys before it encrypts, and gives up when the machine is too busy for that. */
async function patiently(run: () => Promise<void>): Promise<void> {
  for (let left = 10; ; left--) {
    try {
      return await run();
    } catch (error) {
      if (left === 0 || !String(error).includes("accurate CPU usage")) throw error;
    }
  }
}
