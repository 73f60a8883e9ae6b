import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isLuksmithError } from "@luksmith/core";
import {
  deleteById,
  findInstance,
  resizeDisk,
  resumeGuests,
  snapshotDisk,
  verifyDisks,
} from "@luksmith/core/host";
import { rebootHost, startLibvirt } from "@luksmith/testing-services";
import { afterEach, describe, expect, test } from "vitest";
import { GONE, type LifeHost, nameOf } from "../../life-host.ts";
import { qemuDecrypt } from "../../oracles/qemu.ts";
import { rawBytesContain } from "../../oracles/raw-bytes.ts";
import { passphraseOf } from "../../temp-host.ts";
import { testContext } from "../../workspace.ts";
import {
  clearGroup,
  cryptMappings,
  expectLike,
  GROUP,
  isInClear,
  kinds,
  scratchDirectory,
  tool,
  volumeHost,
  volumes,
} from "./volume-host.ts";

const MIB = 1024n * 1024n;
const ODD = 7n * MIB + 512n;
const TEXT = "the guest wrote this, and only the guest may read it";
const LONG = { timeout: 900_000 };

afterEach(clearGroup);

/** The code of what kept it from being done; undefined: it was done. */
async function refusalOf(work: Promise<unknown>): Promise<string | undefined> {
  return await work.then(
    () => undefined,
    (error: unknown) => (isLuksmithError(error) ? error.code : String(error)),
  );
}

function sizes(): string {
  return tool("lvs", ["--noheadings", "-o", "lv_name,lv_size,lv_tags", GROUP]);
}

/** A copy of a running guest's swap, as QEMU reads it with the copy's own passphrase. */
async function copied(life: LifeHost, uuid: string, directory: string): Promise<Buffer> {
  const ctx = testContext();
  const [target, plain] = [join(directory, "copy"), join(life.temp.root, "plain")];
  const request = { disk: "disk.swap", target, format: "raw", plain: false } as const;
  await life.on(async (host) => {
    const snapshot = await snapshotDisk(host, await findInstance(host, uuid), request, ctx);
    using passphrase = await passphraseOf(host, snapshot.encryption?.secretId);
    await qemuDecrypt({ path: target, format: "raw", passphrase }, plain);
    await deleteById(host, snapshot.uuid, { forgetMissing: false }, ctx);
  });
  return readFileSync(plain);
}

describe.each(kinds(2))(
  "a guest on volumes, thin: $thin, decrypted by $decryption",
  ({ thin, decryption }) => {
    const byKernel = decryption === "dm-crypt";

    test(
      "boots, grows, is copied, comes back after a reboot of the host with all it wrote, is deleted",
      LONG,
      async () => {
        // Before libvirtd, which has mounts of its own.
        using scratch = scratchDirectory();
        await using env = await startLibvirt({ fewQuestions: true });
        const life = volumeHost(env, { thin, decryption });
        const ctx = testContext();
        const { instance } = await life.spawn(await life.guestImage(), { swap: 4 });
        const { uuid, disks } = instance;
        expect(disks.map(({ path }) => path)).toEqual([
          `/dev/${GROUP}/${uuid}_disk`,
          `/dev/${GROUP}/${uuid}_disk.swap`,
        ]);
        const resize = (bytes: bigint) =>
          life.on(async (host) => resizeDisk(host, await findInstance(host, uuid), "disk.swap", bytes, ctx));

        await expectLike(life, instance, "running", decryption);
        const console = life.console(uuid);
        const first = await console.ready();
        await console.run(`echo '${TEXT}' > /on-root; sync`);
        await console.write("/dev/vdb", TEXT, { offset: Number(MIB) });
        expect(await console.size("/dev/vdb")).toBe(4n * MIB);

        // While it runs: grown where the kernel decrypts, else refused before anything has changed.
        const before = sizes();
        const code = byKernel ? undefined : "UnsupportedOperation";
        expect(await refusalOf(resize(ODD))).toBe(code);
        expect(sizes() === before).toBe(!byKernel);
        expect(await console.size("/dev/vdb")).toBe(byKernel ? ODD : 4n * MIB);
        expect(await refusalOf(resize(ODD))).toBe(code);
        expect(await refusalOf(resize(3n * MIB))).toBe(byKernel ? "CannotShrink" : code);
        expect(await console.size("/dev/vdb")).toBe(byKernel ? ODD : 4n * MIB);
        const copy = await copied(life, uuid, scratch.path);
        expect(copy.subarray(Number(MIB)).toString("latin1", 0, TEXT.length)).toBe(TEXT);
        await expectLike(life, instance, "running", decryption);

        // A reboot of the host takes mappings with it, and its volumes are not active until somebody needs them.
        await rebootHost(env, [nameOf(uuid)]);
        for (const mapping of cryptMappings()) tool("cryptsetup", ["close", mapping]);
        for (const { path } of disks) expect(await rawBytesContain(path, TEXT)).toBe(false);
        tool("lvchange", ["-qq", "-an", ...disks.map(({ path }) => path.slice("/dev/".length))]);
        await expectLike(life, instance, "off", decryption, { disks: [], secrets: [] });
        await resize(9n * MIB);
        const reports = await life.on((host) => verifyDisks(host, uuid, ctx));
        expect(reports.flatMap((report) => report.disks.map(({ ok }) => ok))).toEqual([true, true]);
        expect(await life.on((host) => resumeGuests(host, ctx))).toMatchObject([
          { uuid, outcome: "started" },
        ]);
        await expectLike(life, instance, "running", decryption);
        expect(await console.ready()).not.toBe(first);
        expect(await console.run("cat /on-root")).toBe(TEXT);
        expect(await console.size("/dev/vdb")).toBe(9n * MIB);
        expect(await console.holds("/dev/vdb", TEXT, { offset: Number(MIB) })).toBe(true);

        await life.on((host) => deleteById(host, uuid, { forgetMissing: false }, ctx));
        await life.expectPicture(instance, GONE);
        expect(await life.storedKeys()).toEqual([]);
        expect(cryptMappings()).toEqual([]);
        expect(volumes().toSorted()).toEqual(thin ? ["pool", "scratch"] : ["scratch"]);
        expect(await isInClear(TEXT)).toBe(false);
      },
    );
  },
);
