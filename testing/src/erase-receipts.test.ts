import { createHash } from "node:crypto";
import { chmodSync, copyFileSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type ImageDisk, LuksmithError, type Passphrase } from "@luksmith/core";
import {
  deleteById,
  exportReceipts,
  findReceipt,
  listReceipts,
  loadConfig,
  signingKey,
  snapshotDisk,
  tombstones,
  verifyReceipt,
} from "@luksmith/core/host";
import { Qcow2File } from "@luksmith/qcow2";
import { open } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { type ImagesType } from "./cache-host.ts";
import { cryptsetupOpens } from "./oracles/cryptsetup.ts";
import { addDisk, diskHost } from "./sweep-disk.ts";
import { tempDirectory } from "./temp-directory.ts";
import { passphraseOf, tempHost } from "./temp-host.ts";
import { testContext } from "./workspace.ts";

const MIB = 1024 * 1024;
const AREA = 2 * MIB;
/** Where the first key slot's material begins. */
const MATERIAL = 4096;

/** The bytes from the start of the LUKS header on, as long as its area. */
async function luksArea(path: string, imagesType: ImagesType): Promise<Buffer> {
  if (imagesType === "raw") return readFileSync(path).subarray(0, AREA);
  const file = await open(path, "r");
  const qcow2 = await Qcow2File.open(file);
  await using area = qcow2.luksArea(() => file.close());
  if (!area) throw new Error(`${path} is not encrypted`);
  return Buffer.from(await area.read(0, 0x1f9000));
}

/** As a container of its own: an attacker has bytes, and puts them wherever he likes. */
async function opens(area: Uint8Array, passphrase: Passphrase): Promise<boolean> {
  const path = join(tempDirectory(), "container");
  writeFileSync(path, Buffer.concat([area, Buffer.alloc(MIB)]));
  // What is no header at all is refused in another way.
  if (Buffer.from(area.subarray(0, 4)).toString("latin1") !== "LUKS") return false;
  return await cryptsetupOpens(path, passphrase);
}

function joined(header: Uint8Array, material: Uint8Array): Buffer {
  return Buffer.concat([header.subarray(0, MATERIAL), material.subarray(MATERIAL)]);
}

describe("a disk that was erased", { timeout: 120_000 }, () => {
  test.each<ImagesType>(["raw", "qcow2"])(
    "opens by nothing that is left of it, on %s, and its receipt says by what it would",
    async (imagesType) => {
      const host = diskHost(imagesType, 2 * MIB);
      const { id, path } = await addDisk(host);
      const before = join(tempDirectory(), "before");
      copyFileSync(path, before);
      const erased = join(tempDirectory(), "erased");
      await using writable = await host.temp.write(testContext(), ({ event }) => {
        if (event === "erased") copyFileSync(path, erased);
      });
      const [disk] = writable.inventory.instance(id)?.disks ?? [];
      using passphrase = await passphraseOf(writable, disk?.encryption?.secretId);
      await deleteById(writable, id, { forgetMissing: false }, testContext());

      const old = await luksArea(before, imagesType);
      const now = await luksArea(erased, imagesType);
      expect(await opens(old, passphrase), "the copy from before").toBe(true);
      expect(await opens(now, passphrase), "what is left").toBe(false);
      // The image captured before, under the erased header; and the other way round.
      expect(await opens(joined(now, old), passphrase), "the old image under the erased header").toBe(false);
      expect(await opens(joined(old, now), passphrase), "what is left under the old header").toBe(false);

      const [stored, ...others] = await listReceipts(writable, id);
      expect(others).toEqual([]);
      expect(stored?.receipt).toMatchObject({
        operation: { kind: "delete", operator: expect.stringContaining("uid") },
        disk: { uuid: disk?.uuid, instance: id, path, backend: imagesType, encryption_format: "luks" },
        header_before: {
          sha256: createHash("sha256").update(old.subarray(0, 592)).digest("hex"),
          active_slots: [0],
          key_bits: 512,
        },
        erasure: {
          proof: {
            read_back: true,
            active_slots: 0,
            stored_passphrase: "refused",
            with_header_from_before: "refused",
          },
        },
        storage: { removed: true },
        secret: { id: disk?.encryption?.secretId, deleted_at: expect.any(String), why_kept: null },
      });
      const { receipt } = await findReceipt(writable, disk?.uuid ?? "");
      const [copy, ...rest] = receipt.remains;
      expect(copy).toContain(
        `a copy of the old header and key material (SHA-256 of its 592 bytes: ${receipt.header_before?.sha256})`,
      );
      expect(rest.join()).toMatch(/backups of the key manager.*flash/s);
      expect(rest.join()).not.toContain("not tried");
      // All that was the header or of the used slot is another now.
      const { overwritten } = receipt.erasure ?? { overwritten: [] };
      expect(overwritten).toEqual([
        { offset: MATERIAL, length: 256_000 },
        { offset: 0, length: MATERIAL },
      ]);
    },
  );

  test("leaves a receipt that whoever has the host's public key verifies, and that nobody can change", async () => {
    const host = diskHost("raw", MIB);
    const { id } = await addDisk(host);
    const auditor = tempDirectory();
    const config = await host.temp.config();
    {
      await using writable = await host.temp.write();
      await deleteById(writable, id, { forgetMissing: false }, testContext());
      await exportReceipts(await listReceipts(writable, id), auditor);
      await exportReceipts(await listReceipts(writable, id), auditor);
    }
    const [name = "", ...others] = readdirSync(auditor);
    expect(others).toEqual([]);
    const file = join(auditor, name);
    // Elsewhere: no state, no key.
    const elsewhere = tempHost();
    const away = await loadConfig({ files: [elsewhere.configFile] });
    await expect(verifyReceipt(away, file, undefined)).rejects.toMatchObject({ code: "SignerUnknown" });
    const key = join(auditor, "host.pem");
    writeFileSync(key, (await signingKey(config)).publicPem);
    const { receipt } = await verifyReceipt(away, file, key);
    expect(receipt.disk.instance).toBe(id);
    expect((await verifyReceipt(config, file, undefined)).receipt).toEqual(receipt);
    const stranger = join(auditor, "stranger.pem");
    writeFileSync(stranger, (await signingKey(away)).publicPem);
    await expect(verifyReceipt(away, file, stranger)).rejects.toMatchObject({ code: "SignerUnknown" });
    const envelope = JSON.parse(readFileSync(file, "utf8")) as { payload: string };
    const payload = Buffer.from(envelope.payload, "base64")
      .toString()
      .replace('"removed":true', '"removed":false');
    writeFileSync(file, JSON.stringify({ ...envelope, payload: Buffer.from(payload).toString("base64") }));
    await expect(verifyReceipt(away, file, key)).rejects.toMatchObject({ code: "SignatureInvalid" });
    writeFileSync(file, "{");
    await expect(verifyReceipt(away, file, key)).rejects.toMatchObject({ code: "FileUnreadable" });
  });

  test("whose passphrase cannot be deleted is a tombstone until it can", async () => {
    const host = diskHost("raw", MIB);
    const { id } = await addDisk(host);
    {
      await using writable = await host.temp.write();
      const { keys } = await writable.services();
      const gone = async (): Promise<never> => {
        throw new LuksmithError("KeyManagerUnavailable", "the test switched it off");
      };
      const own = { get: keys.get.bind(keys), delete: keys.delete.bind(keys) };
      Object.assign(keys, { get: gone, delete: gone });
      const secret = writable.inventory.instance(id)?.disks[0]?.encryption?.secretId;
      const failed = deleteById(writable, id, { forgetMissing: false }, testContext());
      await expect(failed).rejects.toMatchObject({ code: "EphemeralEncryptionCleanupFailed" });
      const [tombstone] = tombstones(writable);
      expect(tombstone).toMatchObject({ kind: "delete", subject: id, tries: 1, secrets: [secret] });
      expect(tombstone?.error).toContain("switched it off");
      expect(tombstone?.erased).toHaveLength(1);
      expect(await listReceipts(writable, id)).toEqual([]);
      await writable.recover(testContext());
      expect(tombstones(writable)).toMatchObject([{ tries: 2 }]);
      Object.assign(keys, own);
      await writable.recover(testContext());
      expect(tombstones(writable)).toEqual([]);
    }
    await using read = await host.temp.read();
    const [stored] = await listReceipts(read, id);
    expect(stored?.receipt.erasure?.proof).toMatchObject({
      read_back: true,
      stored_passphrase: "not tried",
      reason: expect.stringContaining("KeyManagerUnavailable"),
    });
    expect(stored?.receipt.remains.join()).toContain("was not tried");
    expect(stored?.receipt.secret?.deleted_at).toEqual(expect.any(String));
  });

  test("is not removed where the storage keeps the old bytes, and keeps its passphrase", async () => {
    const host = diskHost("raw", MIB);
    const { id, path } = await addDisk(host);
    const before = readFileSync(path);
    await using writable = await host.temp.write();
    const services = await writable.services();
    const secret = writable.inventory.instance(id)?.disks[0]?.encryption?.secretId;
    const backend = services.backend.bind(services);
    /** A storage that says that it has written, and has not. */
    const lying = (disk: ImageDisk) => {
      const image = backend("raw").image(disk);
      const { header } = image as unknown as { header: (...args: unknown[]) => Promise<{ write: unknown }> };
      Object.assign(image, {
        header: async (...args: unknown[]) =>
          Object.assign(await header.apply(image, args), { write: async () => {} }),
      });
      return image;
    };
    services.backend = (name) => Object.assign(Object.create(backend(name)), { image: lying });
    const failed = deleteById(writable, id, { forgetMissing: false }, testContext());
    await expect(failed).rejects.toMatchObject({
      code: "EphemeralEncryptionCleanupFailed",
      cause: { code: "DiskNotErased" },
    });
    expect(readFileSync(path).equals(before)).toBe(true);
    using passphrase = await passphraseOf(writable, secret);
    expect(await cryptsetupOpens(path, passphrase)).toBe(true);
    services.backend = backend;
    await writable.recover(testContext());
    expect(writable.inventory.instances()).toEqual([]);
    expect((await listReceipts(writable, id))[0]?.receipt.erasure?.proof.stored_passphrase).toBe("refused");
  });

  test("is not begun where the host could not sign; and signs nothing where that is not wanted", async () => {
    const host = diskHost("raw", MIB);
    const { id, path } = await addDisk(host);
    const key = join(host.temp.statePath, "signing-key.pem");
    await signingKey(await host.temp.config());
    chmodSync(key, 0o644);
    const before = readFileSync(path);
    {
      await using writable = await host.temp.write();
      const refused = deleteById(writable, id, { forgetMissing: false }, testContext());
      await expect(refused).rejects.toMatchObject({ code: "SigningKeyUnsafe" });
      expect(readFileSync(path).equals(before)).toBe(true);
    }
    const { configFile } = host.temp;
    writeFileSync(configFile, `${readFileSync(configFile, "utf8")}\nerase_receipts = false\n`);
    await using writable = await host.temp.write();
    await deleteById(writable, id, { forgetMissing: false }, testContext());
    expect(await listReceipts(writable, undefined)).toEqual([]);
  });

  test("may be a snapshot; and a disk's receipt names those that stay", async () => {
    const host = diskHost("raw", MIB);
    const { id } = await addDisk(host);
    await using writable = await host.temp.write();
    const instance = writable.inventory.instance(id);
    if (!instance) throw new Error("the instance is there");
    const copies = ["a", "b"].map(
      (name) => ({ disk: "disk", format: "raw", plain: false, target: join(tempDirectory(), name) }) as const,
    );
    const made: string[] = [];
    for (const request of copies)
      made.push((await snapshotDisk(writable, instance, request, testContext())).uuid);
    await deleteById(writable, made[0] ?? "", { forgetMissing: false }, testContext());
    const [snapshot] = await listReceipts(writable, made[0]);
    expect(snapshot?.receipt).toMatchObject({
      disk: { kind: "snapshot", uuid: made[0], path: copies[0]?.target },
      erasure: { proof: { stored_passphrase: "refused" } },
      secret: { deleted_at: expect.any(String) },
    });
    await deleteById(writable, id, { forgetMissing: false }, testContext());
    const receipt = (await listReceipts(writable, id)).at(-1)?.receipt;
    expect(receipt?.remains.join()).toContain(`snapshot ${made[1]}`);
    expect(receipt?.remains.join()).not.toContain(made[0]);
  });
});
