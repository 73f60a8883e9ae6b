import { randomUUID } from "node:crypto";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type BackingSource, GeneratedPassphrase } from "@luksmith/core";
import { createInstance, deleteById, findInstance, snapshotDisk, verifyDisks } from "@luksmith/core/host";
import { describe, expect, test } from "vitest";
import {
  addEncryptedImage,
  type EncryptedSource,
  requestOf,
  type SourceKnobs,
  storeSecret,
} from "./encrypted-source.ts";
import { qemuDecrypt } from "./oracles/qemu.ts";
import { digestOf, rawBytesContain } from "./oracles/raw-bytes.ts";
import { refused } from "./refused.ts";
import { runTool } from "./run-tool.ts";
import { withSecretFile } from "./secret-file.ts";
import { CANARY, randomImage, sparseImage } from "./source-image.ts";
import { tempDirectory } from "./temp-directory.ts";
import { passphraseOf, type TempHost, tempHost } from "./temp-host.ts";
import { filesBelow } from "./tree.ts";
import { testContext } from "./workspace.ts";

const MIB = 1024 * 1024;

async function create(temp: TempHost, source: EncryptedSource, knobs: SourceKnobs = {}) {
  await using host = await temp.write();
  return await createInstance(host, await requestOf(temp, source, knobs), testContext());
}

/** The root disk's content as QEMU decrypts it. */
async function contentOf(temp: TempHost, source: EncryptedSource, scratch: string): Promise<string> {
  const { disks } = await create(temp, source);
  const [disk] = disks;
  if (!disk) throw new Error("no disk");
  expect(disk.encryption?.secretId).not.toBe(source.secretId);
  await using host = await temp.read();
  using passphrase = await passphraseOf(host, disk.encryption?.secretId);
  const plain = join(scratch, randomUUID());
  await qemuDecrypt({ path: disk.path, format: "raw", passphrase }, plain);
  return plain;
}

async function expectNoCanaryBelow(root: string): Promise<void> {
  const leaks: string[] = [];
  for (const name of filesBelow(root)) {
    if (await rawBytesContain(join(root, name), CANARY)) leaks.push(name);
  }
  expect(leaks).toEqual([]);
}

describe.each(["raw", "qcow2"] as const)("a raw disk made of an encrypted %s image", (kind) => {
  test("is the image to the byte, and no file of the host holds any of it in clear", async () => {
    const [temp, scratch] = [tempHost(), tempDirectory()];
    const digest = randomImage(join(scratch, "image"), 5 * MIB + 512);
    const source = await addEncryptedImage(temp, kind, { path: join(scratch, "image") });
    const plain = await contentOf(temp, source, scratch);
    expect(statSync(plain).size).toBe(5 * MIB + 512);
    expect(await digestOf(plain)).toBe(digest);
    expect(await rawBytesContain(plain, CANARY)).toBe(true);
    await expectNoCanaryBelow(temp.root);
    expect(filesBelow(temp.instancesPath).filter((name) => name.startsWith("_base"))).toEqual([]);
  });

  test("reads as zeros where the image does", async () => {
    const [temp, scratch] = [tempHost(), tempDirectory()];
    sparseImage(join(scratch, "image"), 40 * MIB);
    const source = await addEncryptedImage(temp, kind, { path: join(scratch, "image") });
    const plain = await contentOf(temp, source, scratch);
    expect(await digestOf(plain)).toBe(await digestOf(join(scratch, "image")));
  });

  test("is refused, and leaves nothing, when the image does not open or holds another", async () => {
    const [temp, scratch] = [tempHost(), tempDirectory()];
    randomImage(join(scratch, "image"), MIB);
    const source = await addEncryptedImage(temp, kind, { path: join(scratch, "image") });
    const outcome = (knobs: SourceKnobs, of = source) => refused(temp, () => create(temp, of, knobs));

    expect(await outcome({ properties: {} })).toEqual(["ImageEncrypted", "unsupported"]);
    expect(await outcome({ encrypted: false })).toEqual(["FlavorImageConflict", "input"]);
    const absent = { os_encrypt_key_id: randomUUID() };
    expect(await outcome({ properties: absent })).toEqual(["EphemeralEncryptionSecretNotFound", "not-found"]);
    using other = GeneratedPassphrase.create();
    const wrong = { os_encrypt_key_id: await storeSecret(temp, other) };
    expect(await outcome({ properties: wrong })).toEqual(["LuksPassphraseRefused", "permission"]);

    const inner = join(scratch, "inner.qcow2");
    await runTool("qemu-img", ["create", "-q", "-f", "qcow2", "-b", "/etc/passwd", "-F", "raw", inner, "1M"]);
    const nested = await addEncryptedImage(temp, kind, { path: inner });
    expect(await outcome({}, nested)).toEqual(["ImageContentRefused", "input"]);
  });
});

describe.each(["raw", "qcow2"] as const)("an overlay on an encrypted %s image", (kind) => {
  test("shows the image through both secrets, and the base is the image as it came", async () => {
    const [temp, scratch] = [qcow2Host(), tempDirectory()];
    const digest = randomImage(join(scratch, "image"), 5 * MIB);
    const source = await addEncryptedImage(temp, kind, { path: join(scratch, "image") });
    const { disks, uuid } = await create(temp, source);
    const { path, encryption, source: where } = disks[0] ?? {};
    const { backing } = where ?? {};
    if (!path || !backing) throw new Error("no overlay");
    expect(backing).toMatchObject({ format: kind, virtualSize: 5 * MIB, secretId: source.secretId });
    expect(encryption?.secretId).not.toBe(source.secretId);
    expect(await digestOf(backing.file)).toBe(await digestOf(temp.imageFile(source.id)));
    await expectNoCanaryBelow(temp.root);

    await using host = await temp.write();
    using own = await passphraseOf(host, encryption?.secretId);
    using base = await passphraseOf(host, source.secretId);
    const chain = chainOptions(path, backing);
    const pattern = { plain: "read -P 0xa5 64k 8k", made: "write -P 0xa5 64k 8k" };
    const open = (tool: string, args: readonly string[], ok: readonly number[] = [0]) =>
      withSecretFile(own, (first) =>
        withSecretFile(base, (second) => runTool(tool, args, { fds: [first, second], okExitCodes: ok })),
      );
    const plain = join(scratch, "plain");
    await open("qemu-img", ["convert", ...OBJECTS, "--image-opts", chain, "-O", "raw", plain]);
    expect(await digestOf(plain)).toBe(digest);
    // Not through its header alone, which has no secret for the base.
    const alone = `driver=qcow2,encrypt.key-secret=own,file.driver=file,file.filename=${path}`;
    expect(
      (await open("qemu-io", [...OBJECTS, "--image-opts", alone, "-c", "read 0 512"], [0, 1])).exitCode,
    ).toBe(1);

    // What a guest writes is encrypted by the disk's own key.
    await open("qemu-io", [...OBJECTS, "--image-opts", chain, "-c", pattern.made]);
    await open("qemu-io", [...OBJECTS, "--image-opts", chain, "-c", pattern.plain]);
    expect(await rawBytesContain(path, Buffer.alloc(64, 0xa5))).toBe(false);
    await expectNoCanaryBelow(temp.root);
    const [report] = await verifyDisks(host, uuid, testContext());
    expect(report?.disks.every(({ ok }) => ok)).toBe(true);

    // A snapshot has all of it, under a key of its own.
    const target = join(scratch, "snapshot");
    const request = { disk: "disk", target, format: "raw", plain: false } as const;
    const copy = await snapshotDisk(host, await findInstance(host, uuid), request, testContext());
    using copied = await passphraseOf(host, copy.encryption?.secretId);
    await qemuDecrypt({ path: target, format: "raw", passphrase: copied }, join(scratch, "copy"));
    await open("qemu-img", ["convert", ...OBJECTS, "--image-opts", chain, "-O", "raw", plain]);
    expect(await digestOf(join(scratch, "copy"))).toBe(await digestOf(plain));

    // Deleting the disk leaves the image's secret, and the base, to others.
    await deleteById(host, uuid, { forgetMissing: false }, testContext());
    using _still = await passphraseOf(host, source.secretId);
    expect(await digestOf(backing.file)).toBe(await digestOf(temp.imageFile(source.id)));
  });

  test("is refused, and leaves nothing, when the image does not open", async () => {
    const [temp, scratch] = [qcow2Host(), tempDirectory()];
    randomImage(join(scratch, "image"), MIB);
    const source = await addEncryptedImage(temp, kind, { path: join(scratch, "image") });
    const outcome = (knobs: SourceKnobs) => refused(temp, () => create(temp, source, knobs));
    expect(await outcome({ encrypted: false })).toEqual(["FlavorImageConflict", "input"]);
    using other = GeneratedPassphrase.create();
    const wrong = { os_encrypt_key_id: await storeSecret(temp, other) };
    expect(await outcome({ properties: wrong })).toEqual(["LuksPassphraseRefused", "permission"]);
  });
});

const OBJECTS = ["--object", "secret,id=own,file=/dev/fd/3", "--object", "secret,id=base,file=/dev/fd/4"];

function chainOptions(path: string, backing: BackingSource): string {
  const base =
    backing.format === "raw"
      ? "backing.driver=luks,backing.key-secret=base"
      : "backing.driver=qcow2,backing.encrypt.key-secret=base";
  const files = `file.driver=file,file.filename=${path},backing.file.driver=file,backing.file.filename=${backing.file}`;
  return `driver=qcow2,encrypt.key-secret=own,${base},${files}`;
}

function qcow2Host(): TempHost {
  const temp = tempHost();
  const text = readFileSync(temp.configFile, "utf8");
  const changed = text
    .replace("images_type = raw", "images_type = qcow2")
    .replace("backend-raw", "backend-qcow2");
  writeFileSync(temp.configFile, changed);
  return temp;
}

describe("an encrypted image", () => {
  test.each(["cluster_size=512", "cluster_size=2M", "compat=0.10", "preallocation=metadata"])(
    "in qcow2 is read right with %s",
    async (option) => {
      const [temp, scratch] = [tempHost(), tempDirectory()];
      const digest = randomImage(join(scratch, "image"), 3 * MIB);
      const source = await addEncryptedImage(temp, "qcow2", { path: join(scratch, "image") }, [option]);
      expect(await digestOf(await contentOf(temp, source, scratch))).toBe(digest);
    },
  );

  test("in qcow2 with compressed clusters, which QEMU would not decrypt, is refused", async () => {
    const [temp, scratch] = [tempHost(), tempDirectory()];
    randomImage(join(scratch, "image"), MIB);
    const source = await addEncryptedImage(temp, "qcow2", { path: join(scratch, "image") });
    const file = temp.imageFile(source.id);
    const bytes = readFileSync(file);
    const l2 = Number(bytes.readBigUInt64BE(Number(bytes.readBigUInt64BE(40))) & 0x00ff_ffff_ffff_fe00n);
    bytes.writeBigUInt64BE(bytes.readBigUInt64BE(l2) | (1n << 62n), l2);
    writeFileSync(file, bytes);
    const outcome = await refused(temp, () => create(temp, source));
    expect(outcome).toEqual(["Qcow2CompressedClusters", "input"]);
  });

  test("that was damaged since its key was made opens with no secret", async () => {
    const [temp, scratch] = [tempHost(), tempDirectory()];
    randomImage(join(scratch, "image"), MIB);
    const source = await addEncryptedImage(temp, "raw", { path: join(scratch, "image") });
    const file = temp.imageFile(source.id);
    const bytes = readFileSync(file);
    bytes.fill(0x5a, 4096, 8192);
    writeFileSync(file, bytes);
    expect(await refused(temp, () => create(temp, source))).toEqual(["LuksPassphraseRefused", "permission"]);
  });
});
