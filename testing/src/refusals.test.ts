import { randomUUID } from "node:crypto";
import { closeSync, mkdirSync, openSync, readSync, symlinkSync, truncateSync } from "node:fs";
import { createInstance, findInstance, resizeDisk, snapshotDisk, verifyDisks } from "@luksmith/core/host";
import { describe, expect, test } from "vitest";
import { expectRefusal } from "./expect-refusal.ts";
import { instanceRequest } from "./request-json.ts";
import { runTool } from "./run-tool.ts";
import { tempHost } from "./temp-host.ts";
import { directoriesBelow } from "./tree.ts";
import { testContext } from "./workspace.ts";
import { createOn, refused, secretsOf } from "./refused.ts";

const MIB = 1024 * 1024;

describe("invariant 6: an unsupported request is refused before anything changes", () => {
  test.each(["plain", "luksv2"])("encryption format %s", async (format) => {
    const temp = tempHost();
    const image = temp.addImage(MIB);
    const act = () => createOn(temp, image, { format, ephemeral: 1, swap: 4 });
    expect(await refused(temp, act)).toEqual(["UnsupportedEncryptionFormat", "unsupported"]);
  });

  test("an unknown guest_format", async () => {
    const temp = tempHost();
    const image = temp.addImage(MIB);
    const act = () => createOn(temp, image, { ephemeral: 1, guestFormat: "btrfs" });
    expect(await refused(temp, act)).toEqual(["UnsupportedGuestFormat", "unsupported"]);
  });

  test("every disk of an encrypted instance is encrypted, ephemeral and swap included", async () => {
    const temp = tempHost();
    const image = temp.addImage(MIB);
    await using host = await temp.write();
    const request = await temp.request(image, { ephemeral: 1, swap: 4 });
    const { disks } = await createInstance(host, request, testContext());
    expect(disks.map(({ name }) => name)).toEqual(["disk", "disk.eph0", "disk.swap"]);
    for (const { path, encryption } of disks) {
      expect(encryption?.format).toBe("luks");
      expect(beginOf(path)).toBe("LUKS\xba\xbe");
    }
    // Invariant 3.
    expect(new Set(disks.map(({ encryption }) => encryption?.secretId)).size).toBe(3);
  });
});

describe("invariant 7: an image is what it is declared to be", () => {
  test("one that says it is qcow2 is no raw image", async () => {
    const temp = tempHost();
    const id = randomUUID();
    await runTool("qemu-img", ["create", "-q", "-f", "qcow2", temp.imageFile(id), "1M"]);
    expect(await refused(temp, () => createOn(temp, id))).toEqual(["ImageFormatMismatch", "input"]);
  });

  test.each([
    ["qcow2", "ImageFormatMismatch", "input"],
    ["vmdk", "ImageFormatMismatch", "input"],
    ["vhdx", "ImageFormatMismatch", "input"],
    ["punchcard", "UnsupportedImageFormat", "unsupported"],
  ])("raw bytes declared %s are refused: %s", async (diskFormat, ...expected) => {
    const temp = tempHost();
    const image = temp.addImage(MIB);
    expect(await refused(temp, () => createOn(temp, image, { diskFormat }))).toEqual(expected);
  });

  test("one that is larger than the flavor's disk does not fit", async () => {
    const temp = tempHost();
    const image = temp.addImage(MIB);
    truncateSync(temp.imageFile(image), 1024 * MIB + 512);
    await expectRefusal(() => createOn(temp, image, { disk: 1 }), "FlavorDiskSmallerThanImage", "input");
    expect(directoriesBelow(temp.instancesPath)).toEqual([]);
    expect(await secretsOf(temp)).toEqual([]);
  });

  test("one of another size than declared is refused", async () => {
    const temp = tempHost();
    const image = temp.addImage(MIB);
    const request = await temp.request(image);
    truncateSync(temp.imageFile(image), MIB - 512);
    const act = async (): Promise<unknown> => {
      await using host = await temp.write();
      return await createInstance(host, request, testContext());
    };
    expect(await refused(temp, act)).toEqual(["ImageUnacceptable", "input"]);
  });

  test("a link, a directory and nothing are no images", async () => {
    const temp = tempHost();
    const [link, directory, missing] = [randomUUID(), randomUUID(), randomUUID()];
    symlinkSync(temp.configFile, temp.imageFile(link));
    mkdirSync(temp.imageFile(directory));
    const act = (image: string) => async (): Promise<unknown> => {
      await using host = await temp.write();
      return await createInstance(host, await instanceRequest({ image }), testContext());
    };
    expect(await refused(temp, act(link))).toEqual(["ImageUnacceptable", "input"]);
    expect(await refused(temp, act(directory))).toEqual(["ImageUnacceptable", "input"]);
    expect(await refused(temp, act(missing))).toEqual(["ImageNotFound", "not-found"]);
  });
});

describe("names that do not exist, and sizes that are none", () => {
  test("are refused with what there is", async () => {
    const temp = tempHost();
    const image = temp.addImage(MIB);
    const id = await createOn(temp, image);
    await using host = await temp.write();
    const instance = await findInstance(host, id);
    const ctx = testContext();
    await expectRefusal(() => findInstance(host, randomUUID()), "InstanceNotFound", "not-found");
    const nothing = await expectRefusal(
      () => resizeDisk(host, instance, "disk.eph7", 512n, ctx),
      "DiskNotFound",
    );
    expect(nothing.message).toContain("it has disk");
    await expectRefusal(() => resizeDisk(host, instance, "disk", 2n ** 60n, ctx), "InvalidRequest", "input");
    await expectRefusal(() => resizeDisk(host, instance, "disk", BigInt(2 * MIB + 1), ctx), "InvalidRequest");
    await expectRefusal(() => resizeDisk(host, instance, "disk", 512n, ctx), "CannotShrink", "unsupported");
    const again = async (): Promise<unknown> =>
      await createInstance(host, await temp.request(image, { instance: id }), ctx);
    await expectRefusal(again, "InstanceExists", "conflict");
    const taken = { disk: "disk", target: temp.configFile, format: "raw", plain: false } as const;
    await expectRefusal(() => snapshotDisk(host, instance, taken, ctx), "TargetExists", "conflict");
    expect(host.journal.unfinished()).toEqual([]);
    expect((await verifyDisks(host, id, ctx))[0]?.disks[0]?.ok).toBe(true);
  });
});

function beginOf(path: string): string {
  const bytes = Buffer.alloc(6);
  const fd = openSync(path, "r");
  readSync(fd, bytes);
  closeSync(fd);
  return bytes.toString("latin1");
}
