import { GeneratedPassphrase, parseHeader } from "@luksmith/core";
import { expect } from "vitest";
import { MIB } from "./backend-bench.ts";
import { CANARY, holds, luksBytes, sameBytes, sourceImage, volumeKeyOf } from "./bench-steps.ts";
import type { ImageBackendRule } from "./image-backend-rule.ts";

/** Bytes that are no multiple of 4096, let alone of a MiB. */
const ODD_BYTES = 3 * MIB + 5 * 512;

/** IB-1 to IB-9: a new disk is what was asked for. */
export const CREATION_RULES: readonly ImageBackendRule[] = [
  {
    id: "IB-1",
    title: "touches nothing before a method is called, and names its disk's source purely",
    async check(bench) {
      const before = await bench.fixture.contents();
      const { image } = await bench.describe();
      const source = image.source();
      expect(image.source()).toEqual(source);
      expect(bench.fixture.backend.capabilities.formats).toContain(source.format);
      expect(await bench.fixture.contents()).toEqual(before);
      expect(await image.identify(bench.ctx)).toBeUndefined();
    },
  },
  {
    id: "IB-2",
    title: "makes a blank encrypted disk of exactly the guest's bytes",
    async check(bench) {
      for (const virtualSize of [4 * MIB, ODD_BYTES]) {
        const { image, passphrase } = await bench.create(
          { kind: "blank" },
          { virtualSize: BigInt(virtualSize) },
        );
        expect(await image.actualSize(bench.ctx)).toBe(BigInt(virtualSize));
        expect((await bench.fixture.oracle.read(image, passphrase)).length).toBe(virtualSize);
      }
    },
  },
  {
    id: "IB-3",
    title: "writes a LUKS header with the disk's UUID",
    async check(bench) {
      const { image, disk } = await bench.create();
      const header = parseHeader(await luksBytes(bench, image));
      expect(header.uuid).toBe(disk.uuid);
      expect(`${header.cipherName}-${header.cipherMode} ${header.keyBytes}`).toBe("aes-xts-plain64 64");
      expect(header.keySlots.filter((slot) => slot.active).length).toBe(1);
    },
  },
  {
    id: "IB-4",
    title: "makes disks that another program opens with the stored passphrase, and with no other",
    async check(bench) {
      const { oracle } = bench.fixture;
      const { image, disk } = await bench.create();
      using stored = await bench.keys.get({ id: disk.encryption?.secretId ?? "" }, bench.ctx);
      expect(await oracle.opens(image, stored)).toBe(true);
      using wrong = GeneratedPassphrase.create();
      expect(await oracle.opens(image, wrong)).toBe(false);
    },
  },
  {
    id: "IB-5",
    title: "gives each disk a passphrase and a volume key of its own",
    async check(bench) {
      const first = await bench.create();
      const second = await bench.create();
      const keys = [
        await volumeKeyOf(bench, first, first.passphrase),
        await volumeKeyOf(bench, second, second.passphrase),
      ];
      expect(keys[0] === keys[1], "the volume keys are the same").toBe(false);
      expect(await bench.fixture.oracle.opens(first.image, second.passphrase)).toBe(false);
    },
  },
  {
    id: "IB-6",
    title: "fills a disk from an image to the byte, and nothing of it is on the storage in clear",
    async check(bench) {
      await using image = await sourceImage(3 * MIB + 512);
      const made = await bench.create({ kind: "image", image });
      const seen = await bench.fixture.oracle.read(made.image, made.passphrase);
      expect(sameBytes(seen.subarray(0, image.bytes.length), image.bytes), "the guest sees the image").toBe(
        true,
      );
      expect(holds(await bench.fixture.rawBytes(made.image), CANARY), "the canary is in clear").toBe(false);
    },
  },
  {
    id: "IB-7",
    title: "formats a disk, and nothing of the file system is on the storage in clear",
    async check(bench) {
      const label = "ephemeral0";
      const { image, passphrase } = await bench.create(
        { kind: "filesystem", format: "ext4", label },
        { virtualSize: BigInt(16 * MIB) },
      );
      const seen = await bench.fixture.oracle.read(image, passphrase);
      // The superblock is at 1024: its magic at 56, its label at 120.
      expect(Buffer.from(seen.subarray(1080, 1082)).toString("hex")).toBe("53ef");
      expect(Buffer.from(seen.subarray(1144, 1154)).toString("latin1")).toBe(label);
      expect(holds(await bench.fixture.rawBytes(image), Buffer.from(label)), "the label is in clear").toBe(
        false,
      );
    },
  },
  {
    id: "IB-8",
    title: "keeps in clear nothing that a guest writes",
    async check(bench) {
      const { oracle } = bench.fixture;
      const { image, passphrase } = await bench.create();
      const sectors = Buffer.alloc(8192, CANARY);
      await oracle.write(image, passphrase, MIB, sectors);
      const seen = await oracle.read(image, passphrase);
      expect(sameBytes(seen.subarray(MIB, MIB + 8192), sectors), "the guest reads it back").toBe(true);
      expect(holds(await bench.fixture.rawBytes(image), CANARY), "the canary is in clear").toBe(false);
    },
  },
  {
    id: "IB-9",
    title: "makes a plain disk when, and only when, no encryption was asked for",
    async check(bench) {
      await using image = await sourceImage(MIB);
      const plain = await bench.createPlain({ kind: "image", image });
      const seen = await bench.fixture.oracle.read(plain, undefined);
      expect(sameBytes(seen.subarray(0, MIB), image.bytes), "the guest sees the image").toBe(true);
      expect(
        seen.subarray(MIB).every((byte) => byte === 0),
        "the rest reads as zeros",
      ).toBe(true);
    },
  },
];
