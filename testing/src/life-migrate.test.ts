import { chmodSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { GeneratedPassphrase, type Passphrase } from "@luksmith/core";
import {
  adoptGuest,
  deleteById,
  type MigrationRoute,
  offerGuest,
  offerLive,
  startGuest,
} from "@luksmith/core/host";
import { connectLibvirt } from "@luksmith/libvirt/client";
import { tinyGuest } from "@luksmith/testing-services";
import { beforeAll, describe, expect, test } from "vitest";
import { GONE, whole } from "./life-host.ts";
import { LiveHosts } from "./live-hosts.ts";
import { cryptsetupOpens, luksDump } from "./oracles/cryptsetup.ts";
import { qemuDecrypt, qemuImgInfo, qemuOpens } from "./oracles/qemu.ts";
import { passphraseOf } from "./temp-host.ts";
import { tlsCertificates, useCertificates } from "./tls-certificates.ts";
import { filesBelow } from "./tree.ts";
import { testContext } from "./workspace.ts";

const MIB = 1024 * 1024;
const TEXT = "written on the first host, read on the second by the same guest";
/** Counts in its memory, and writes each number to a disk. */
const COUNT = `(n=0; while :; do n=$((n+1)); echo $n > /tmp/n.new; mv /tmp/n.new /tmp/n; echo $n | dd of=/dev/vdb bs=4096 count=1 conv=sync,notrunc,fsync 2>/dev/null; sleep 0.05; done) >/dev/null 2>&1 &`;

beforeAll(async () => void (await tinyGuest()), 300_000);

describe.each(["raw", "qcow2"] as const)("a running guest on %s disks", (imagesType) => {
  test("moves to another host and goes on there, on encrypted disks with keys of their own", async () => {
    const hosts = await LiveHosts.create(imagesType);
    const { source, target } = hosts;
    const { instance } = await source.spawn(await source.guestImage(), { swap: 4 });
    const { uuid } = instance;
    const before = source.console(uuid);
    const boot = await before.ready();
    await before.run(`echo '${TEXT}' > /on-root; sync`);
    await before.write("/dev/vdb", TEXT, { offset: MIB });
    await before.run(COUNT);
    const headers = imagesType === "raw" ? await Promise.all(instance.disks.map(digestOf)) : [];

    const expected = await hosts.prepare(uuid);
    const arriving = await hosts.there(uuid);
    await target.expectPicture(arriving, whole(arriving, "absent"));
    // Nobody takes it for what it is not.
    for (const early of [() => hosts.settle(uuid), () => hosts.confirm(uuid)]) {
      await expect(early()).rejects.toMatchObject({ code: "DomainStateConflict" });
    }
    await expect(target.start(uuid)).rejects.toMatchObject({ code: "InstanceBusy" });
    const deleted = target.on((host) => deleteById(host, uuid, { forgetMissing: true }, testContext()));
    await expect(deleted).rejects.toMatchObject({ code: "InstanceBusy" });

    const steps = new Set<string>();
    const ctx = testContext({ progress: ({ step }) => void steps.add(step) });
    expect(await hosts.send(expected, {}, ctx)).toMatchObject({ uuid, outcome: "sent", here: false });
    expect(steps).toContain("send guest");
    before[Symbol.dispose]();
    await source.expectPicture(instance, whole(instance, "off"));
    await target.expectPicture(arriving, whole(arriving, "running"));
    const console = target.console(uuid);
    await console.answers();
    expect(await console.run("cat /proc/sys/kernel/random/boot_id")).toBe(boot);
    expect(await console.run("cat /on-root")).toBe(TEXT);
    expect(await console.holds("/dev/vdb", TEXT, { offset: MIB })).toBe(true);
    const counted = Number(await console.run("cat /tmp/n"));
    expect(counted).toBeGreaterThan(1);
    await console.run(`while [ $(cat /tmp/n) -le ${counted + 3} ]; do sleep 0.1; done`);

    // What was sent is not this host's any more, whatever anybody says.
    await expect(hosts.revert(uuid)).rejects.toMatchObject({ code: "InstanceBusy" });
    await expect(source.start(uuid)).rejects.toMatchObject({ code: "InstanceBusy" });
    await expect(hosts.dismiss(uuid)).rejects.toMatchObject({ code: "DomainStateConflict" });
    expect(await hosts.settle(uuid)).toMatchObject({ outcome: "arrived", here: true });
    expect(await hosts.settle(uuid)).toMatchObject({ outcome: "arrived", here: true });
    expect(await hosts.confirm(uuid)).toMatchObject({ outcome: "removed", here: false });
    const keys = instance.disks.map(({ name }) => name);
    await source.expectPicture(instance, { ...GONE, keys });
    expect(await source.guestSecrets()).toEqual([]);
    expect(filesBelow(source.temp.instancesPath).filter((name) => name.includes(uuid))).toEqual([]);
    await target.expectPicture(arriving, whole(arriving, "running"));

    // It is the second host's own: it stops and starts there.
    await target.stop(uuid);
    await target.on((host) => startGuest(host, uuid, testContext()));
    await console.ready();
    expect(await console.run("cat /on-root")).toBe(TEXT);
    await target.stop(uuid);
    const now = await hosts.there(uuid);
    for (const [index, disk] of now.disks.entries()) {
      using passphrase = await target.on((host) => passphraseOf(host, disk.encryption?.secretId));
      expect(await seenByQemu(disk, imagesType, passphrase)).toEqual({
        canary: false,
        opens: true,
        opensByAnother: false,
        size: Number(disk.virtualSize),
        backing: undefined,
      });
      const mine = { opens: true, uuid: disk.uuid, sameKey: false };
      const seen = headers[index] ? await seenByCryptsetup(disk, passphrase, headers[index]) : mine;
      expect(seen).toEqual(mine);
    }
    const swap = now.disks.find(({ name }) => name === "disk.swap")!;
    using passphrase = await target.on((host) => passphraseOf(host, swap.encryption?.secretId));
    const plain = join(target.temp.root, "plain");
    await qemuDecrypt({ path: swap.path, format: imagesType, passphrase }, plain);
    expect(
      readFileSync(plain)
        .subarray(MIB, MIB + TEXT.length)
        .toString(),
    ).toBe(TEXT);
    await target.on((host) => deleteById(host, uuid, { forgetMissing: false }, testContext()));
    await target.expectPicture(now, GONE);
  }, 300_000);
});

test("a running guest moves by TLS, once both hosts have certificates, and not before", async () => {
  const hosts = await LiveHosts.create("raw");
  const { source, target, sourceEnv, targetEnv } = hosts;
  const certificates = await tlsCertificates(join(source.temp.root, "pki"));
  await useCertificates(sourceEnv, certificates);
  const { uuid, document, expected } = await small(hosts);
  const tcp = { tls: true, memory: "tcp://127.0.0.1", disks: undefined };
  await expect(hosts.send(expected, tcp)).rejects.toMatchObject({
    code: expect.stringMatching(/Libvirt|Unsupported/),
  });
  expect([await source.guest(uuid), await target.guest(uuid)]).toEqual(["running", "absent"]);
  await useCertificates(targetEnv, certificates);
  // Its daemon was restarted.
  await hosts.expect(document);
  expect(await hosts.send(expected, tcp)).toMatchObject({ outcome: "sent" });
  expect([await source.guest(uuid), await target.guest(uuid)]).toEqual(["off", "running"]);
  await hosts.settle(uuid);
  await hosts.confirm(uuid);
}, 180_000);

describe("a running guest that does not get to another host", () => {
  test("is sent by no way on which others could read, and nothing changes", async () => {
    const hosts = await LiveHosts.create("raw");
    const { source, target } = hosts;
    const { uuid, expected } = await small(hosts);
    const open = join(source.temp.root, "open");
    mkdirSync(open);
    chmodSync(open, 0o777);
    const ways: readonly Partial<MigrationRoute>[] = [
      { memory: "tcp://127.0.0.1:49152" },
      { disks: "tcp://127.0.0.1:49153" },
      { memory: undefined },
      { disks: undefined },
      { to: "qemu+tcp://127.0.0.1/system" },
      { memory: `unix://${open}/memory` },
    ];
    const ctx = testContext();
    for (const way of ways) {
      const sent = hosts.send(expected, way, ctx);
      await expect(sent).rejects.toMatchObject({ code: "PlaintextCopyRefused" });
    }
    for (const way of [
      { to: "qemu:///no uri" },
      { memory: "ftp://x/y" },
      { memory: "unix:///nowhere/at/all" },
    ]) {
      await expect(hosts.send(expected, way, ctx)).rejects.toMatchObject({ code: "InvalidRequest" });
    }
    // Nor to disks that are not its own.
    for (const lie of [{ encryption: null }, { virtual_size: 512 }, { uuid }]) {
      const disks = expected.disks.with(0, Object.assign({}, expected.disks[0], lie));
      await expect(hosts.send({ ...expected, disks }, {}, ctx)).rejects.toMatchObject({
        code: "InvalidRequest",
      });
    }
    expect(await source.on(async (host) => host.journal.ofRequest(ctx.requestId))).toEqual([]);
    expect(await source.on(async (host) => host.inventory.guests.find(uuid)?.moving)).toBe("leaving");
    expect([await source.guest(uuid), await target.guest(uuid)]).toEqual(["running", "absent"]);
  }, 120_000);

  test("goes on where it is; what the other host had made for it is taken back, and its passphrases stay", async () => {
    const hosts = await LiveHosts.create("raw");
    const { source, target, targetEnv } = hosts;
    const { instance, uuid, expected } = await small(hosts, { swap: 96 });
    const there = await hosts.there(uuid);
    // A restart of libvirt's daemon, which forgets the keys: the guest cannot come.
    await targetEnv.restart();
    await expect(hosts.send(expected)).rejects.toMatchObject({ code: "GuestSecretMissing" });
    expect([await source.guest(uuid), await target.guest(uuid)]).toEqual(["running", "absent"]);
    const document = await source.on((host) => offerLive(host, uuid, testContext()));
    expect(await hosts.expect(document)).toEqual(expected);
    await target.expectPicture(there, whole(there, "absent"));
    // Cancelled on its way.
    const cancel = new AbortController();
    const ctx = testContext({ signal: cancel.signal, progress: () => cancel.abort(new Error("no more")) });
    await expect(hosts.send(expected, {}, ctx)).rejects.toMatchObject({ code: "Cancelled" });
    await source.expectPicture(instance, whole(instance, "running"));
    await expect.poll(() => target.guest(uuid), { timeout: 30_000 }).toBe("absent");
    expect(await source.on(async (host) => host.journal.unfinished())).toEqual([]);

    expect(await hosts.revert(uuid)).toMatchObject({ outcome: "kept", here: true });
    expect(await hosts.dismiss(uuid)).toMatchObject({ outcome: "dismissed", here: false });
    const keys = instance.disks.map(({ name }) => name);
    await target.expectPicture(there, { ...GONE, keys });
    expect(await target.guestSecrets()).toEqual([]);
    expect(filesBelow(target.temp.instancesPath)).toEqual([]);
    await source.expectPicture(instance, whole(instance, "running"));
    await source.stop(uuid);
    await source.start(uuid);
  }, 180_000);

  test("a plain one gets plain disks; documents of running guests and of others are not mistaken", async () => {
    const hosts = await LiveHosts.create("raw");
    const { target } = hosts;
    const { instance, uuid, expected, document } = await small(hosts, { encrypted: false });
    expect(expected.disks.map(({ encryption }) => encryption)).toEqual([null, null]);
    await expect(
      target.on((host) => adoptGuest(host, document, { start: true }, testContext())),
    ).rejects.toMatchObject({ code: "InvalidRequest" });
    await hosts.send(expected);
    // It ends before anybody has looked: only who sent it knows that it came.
    using libvirt = await connectLibvirt(hosts.targetEnv.uri, testContext());
    await libvirt.domains.destroy(uuid, testContext());
    await expect(hosts.settle(uuid)).rejects.toMatchObject({ code: "DomainStateConflict" });
    await expect(hosts.dismiss(uuid)).rejects.toMatchObject({ code: "DomainStateConflict" });
    const receipt = await hosts.send(expected);
    await expect(hosts.dismiss(uuid, receipt)).rejects.toMatchObject({ code: "InvalidRequest" });
    await hosts.settle(uuid, receipt);
    const before = await Promise.all(instance.disks.map(({ path }) => readFileSync(path)));
    const after = (await hosts.there(uuid)).disks.map(({ path }) => readFileSync(path));
    expect(after.map((bytes, index) => before[index]?.equals(bytes))).toEqual([true, true]);
    await hosts.confirm(uuid);
    await target.start(uuid);
    // Now off, for the other way of moving.
    await target.stop(uuid);
    const cold = await target.on((host) => offerGuest(host, uuid, testContext()));
    await expect(hosts.expect(cold)).rejects.toMatchObject({ code: "InvalidRequest" });
  }, 120_000);
});

/** A guest that runs nothing, offered there and expected here. */
async function small(hosts: LiveHosts, knobs: { swap?: number; encrypted?: boolean } = {}) {
  const image = hosts.source.temp.addImage(2 * MIB);
  const { instance } = await hosts.source.spawn(image, { swap: 4, ...knobs, boots: "nothing" });
  const { uuid } = instance;
  const document = await hosts.source.on((host) => offerLive(host, uuid, testContext()));
  await hosts.shareKeys();
  return { instance, uuid, document, expected: await hosts.expect(document) };
}

async function seenByQemu({ path }: Place, format: "raw" | "qcow2", passphrase: Passphrase) {
  using another = GeneratedPassphrase.create();
  const info = await qemuImgInfo({ path, format, passphrase });
  return {
    canary: readFileSync(path).includes(TEXT),
    opens: await qemuOpens({ path, format, passphrase }),
    opensByAnother: await qemuOpens({ path, format, passphrase: another }),
    size: info["virtual-size"],
    backing: info["backing-filename"],
  };
}

async function seenByCryptsetup(disk: Place, passphrase: Passphrase, digestBefore: string) {
  return {
    opens: await cryptsetupOpens(disk.path, passphrase),
    uuid: (await luksDump(disk.path)).get("UUID"),
    sameKey: (await digestOf(disk)) === digestBefore,
  };
}

interface Place {
  readonly path: string;
}

/** Of its volume key. */
async function digestOf({ path }: Place): Promise<string | undefined> {
  return (await luksDump(path)).get("MK digest");
}
