import { randomInt } from "node:crypto";
import type { Image, ImageSource } from "@luksmith/core";
import { expect } from "vitest";
import { findSecret } from "../key-manager/secret-search.ts";
import { type BackendBench, MIB } from "./backend-bench.ts";
import { CANARY, holds, luksBytes, sourceImage } from "./bench-steps.ts";
import type { ImageBackendRule } from "./image-backend-rule.ts";
import { ProcessWatch } from "./process-secrets.ts";
import { RecordingRollback } from "./recording-rollback.ts";

/** Around everything that storage and tools may round to. */
const ODD_SIZES: readonly number[] = [512, 4096 - 512, MIB + 512, 4 * MIB - 512, 5 * MIB + 7 * 512];

/** More of them by `LUKSMITH_SIZES`, which every failure names. */
function sizes(): readonly number[] {
  const more = Number(process.env["LUKSMITH_SIZES"] ?? 1);
  return [...ODD_SIZES, ...Array.from({ length: more }, () => randomInt(1, (16 * MIB) / 512) * 512)];
}

const MAGIC = { luks: "4c554b53babe0001", luksv2: "4c554b53babe0002" } as const;

/** Makes one disk that stops after record `stop`; whether it came to its end. */
async function stopped(bench: BackendBench, source: ImageSource, stop: number): Promise<boolean> {
  const { disk, passphrase } = await bench.describe({ virtualSize: BigInt(16 * MIB) });
  const undo = new RecordingRollback(stop);
  const create = bench.image(disk).create({ source, passphrase }, undo, bench.ctx);
  const complete = await create.then(
    () => true,
    () => false,
  );
  for (let round = 0; round < 2; round++) await undo.undo(bench.image(disk));
  return complete;
}

/** IB-48 to IB-53: exact to the byte, whole after any crash, honest about itself, and seen by nobody. */
export const HONESTY_RULES: readonly ImageBackendRule[] = [
  {
    id: "IB-48",
    title: "gives the guest each odd size to the byte, encrypted and plain, and grows by one sector",
    async check(bench) {
      for (const size of sizes()) {
        const virtualSize = BigInt(size);
        const { image, disk } = await bench.create({ kind: "blank" }, { virtualSize });
        const plain = await bench.createPlain({ kind: "blank" }, virtualSize);
        for (const each of [image, plain]) {
          expect(await each.actualSize(bench.ctx), `of ${size} bytes`).toBe(virtualSize);
        }
        if (!bench.fixture.backend.capabilities.resize) continue;
        await image.resize(virtualSize + 512n, bench.ctx);
        const grown = bench.image({ ...disk, virtualSize: virtualSize + 512n });
        const { checks } = await grown.verify(bench.ctx);
        const failed = checks.filter(({ result }) => result === "fail");
        expect(failed, `grown from ${size} bytes`).toEqual([]);
      }
    },
  },
  {
    id: "IB-49",
    title:
      "leaves nothing when it stops after any undo record of a blank or formatted disk, undone twice, by another",
    async check(bench) {
      const before = await bench.fixture.contents();
      const sources: readonly ImageSource[] = [
        { kind: "blank" },
        { kind: "filesystem", format: "ext4", label: "ephemeral0" },
      ];
      for (const source of sources) {
        for (let stop = 1; ; stop++) {
          const complete = await stopped(bench, source, stop);
          expect(await bench.fixture.contents(), `${source.kind}, after record ${stop}`).toEqual(before);
          if (complete) break;
        }
      }
    },
  },
  {
    id: "IB-50",
    title: "says the same of itself always, and makes what it declares and nothing else",
    async check(bench) {
      const { backend } = bench.fixture;
      const first = structuredClone(backend.capabilities);
      const { image, disk, passphrase } = await bench.create();
      expect(backend.capabilities).toEqual(first);
      const { encryption, snapshot, formats } = backend.capabilities;
      for (const list of [encryption, snapshot, formats]) {
        expect(new Set<string>(list).size, "it names each once").toBe(list.length);
      }
      expect(snapshot.length > 0, "a fixture has `snapshots` if the backend declares them").toBe(
        bench.fixture.snapshots !== undefined,
      );
      for (const format of encryption) {
        if (format === "plain") continue;
        const made = format === "luks" ? image : await ofFormat(bench, disk, format, passphrase);
        const magic = Buffer.from((await luksBytes(bench, made)).subarray(0, 8)).toString("hex");
        expect(magic, `a disk of format ${format}`).toBe(MAGIC[format]);
      }
    },
  },
  {
    id: "IB-51",
    title: "says that it is ready while it is, and changes nothing by that; if it can be asked",
    async check(bench) {
      const { backend } = bench.fixture;
      const before = await bench.fixture.contents();
      for (let round = 0; round < 2; round++) expect(await backend.ready?.(bench.ctx)).toBeUndefined();
      expect(await bench.fixture.contents()).toEqual(before);
    },
  },
  {
    id: "IB-52",
    title: "leaves no temporary files, and none of them is the guest's content in clear",
    async check(bench) {
      await using image = await sourceImage(3 * MIB);
      using watch = new ProcessWatch();
      const made = await bench.create({ kind: "image", image });
      await made.image.verify(bench.ctx);
      watch.look();
      expect(watch.seen.some((text) => holds(Buffer.from(text, "latin1"), CANARY))).toBe(false);
      expect(watch.left(), "left where programs keep temporary files").toEqual([]);
    },
  },
  {
    id: "IB-53",
    title:
      "shows no passphrase in any program's arguments or environment, however started, nor in temporary files",
    async check(bench) {
      using watch = new ProcessWatch();
      const source = { kind: "filesystem", format: "ext4", label: "ephemeral0" } as const;
      const { image, passphrase } = await bench.create(source, { virtualSize: BigInt(16 * MIB) });
      if (bench.fixture.backend.capabilities.resize) await image.resize(BigInt(16 * MIB + 512), bench.ctx);
      await image.verify(bench.ctx);
      watch.look();
      expect(findSecret(passphrase, watch.seen)).toEqual([]);
    },
  },
];

async function ofFormat(
  bench: BackendBench,
  like: Image["disk"],
  format: "luksv2",
  passphrase: Parameters<Image["create"]>[0]["passphrase"],
): Promise<Image> {
  const { disk } = await bench.describe();
  const secretId = like.encryption?.secretId ?? null;
  const image = bench.image({ ...disk, encryption: { format, secretId } });
  await image.create(
    { source: { kind: "blank" }, ...(passphrase ? { passphrase } : {}) },
    new RecordingRollback(),
    bench.ctx,
  );
  return image;
}
