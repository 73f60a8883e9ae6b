import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { createSectorCipher, LuksEngine } from "@luksmith/luks";
import { afterAll, describe, expect, it } from "vitest";
import { Qcow2File, readGuest } from "../src/index.ts";
import { exported } from "./guest-content.ts";
import { check, hasQemu, must, opened } from "./qemu.ts";
import { Workspace } from "./workspace.ts";

const engine = new LuksEngine({ threads: 1 });
afterAll(() => engine[Symbol.asyncDispose]());

/** Numbers that are the same in every run of the tests (Marsaglia's xorshift32). */
function sequence(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** One write of the guest as a qemu-io command, done to the model as well. */
function writeOnce(model: Buffer, random: (below: number) => number): string {
  const sectors = model.length / 512;
  const kind = random(10);
  const aligned = kind < 8;
  const unit = aligned ? 512 : 1;
  const at = random(aligned ? sectors : model.length) * unit;
  const most = Math.min(model.length - at, kind === 0 ? 150_000 : 20_000);
  const length = Math.max(unit, Math.floor(random(most) / unit) * unit);
  if (kind === 7) {
    model.fill(0, at, at + length);
    return `write -z ${at} ${length}`;
  }
  const byte = 1 + random(255);
  model.fill(byte, at, at + length);
  return `write -P ${byte} ${at} ${length}`;
}

describe.skipIf(!hasQemu)("random writes of a guest", () => {
  it.each([
    { clusterBits: 12, overlay: true, seed: 0x1234_5678 },
    { clusterBits: 16, overlay: false, seed: 0x2468_ace1 },
  ])(
    "5000, clusters of 2^$clusterBits, overlay: $overlay",
    { timeout: 60_000 },
    async ({ clusterBits, overlay, seed }) => {
      await using space = new Workspace();
      const size = 24 * 1024 * 1024 + 1536;
      const random = sequence(seed);
      const model = Buffer.alloc(size);
      const base = overlay ? space.file() : undefined;
      if (base !== undefined) {
        randomBytes(10_000_000 - 256).copy(model);
        writeFileSync(base, model.subarray(0, 9_999_872));
        model.fill(0, 9_999_872);
      }
      const baseBytes = overlay ? Buffer.from(model) : undefined;
      const image = await space.image({
        virtualSize: BigInt(size),
        clusterBits,
        encrypted: true,
        ...(base === undefined ? {} : { backing: { file: base, format: "raw" } }),
      });
      for (let batch = 0; batch < 5; batch++) {
        const commands = Array.from({ length: 1000 }, () => writeOnce(model, random));
        const { status } = spawnSync("qemu-io", ["-t", "unsafe", ...opened(image)], {
          input: commands.join("\n"),
        });
        expect(status).toBe(0);
      }
      check(image);

      const plain = space.file();
      must("qemu-img", "convert", ...opened(image), "-O", "raw", plain);
      expect(readFileSync(plain).equals(model)).toBe(true);
      expect((await exported(space, engine, image, baseBytes)).equals(model)).toBe(true);

      const file = await Qcow2File.open(image.handle);
      if (image.container === undefined) throw new Error("not encrypted");
      const cipher = createSectorCipher(image.container.volumeKey);
      const backing = async (start: bigint, length: number): Promise<Uint8Array> =>
        baseBytes?.subarray(Number(start), Number(start) + length) ?? new Uint8Array(length);
      for (let i = 0; i < 200; i++) {
        const at = random(size / 512) * 512;
        const length = Math.min(size - at, 512 * (1 + random(300)));
        const read = await readGuest(file, { start: BigInt(at), length }, { cipher, backing });
        expect(Buffer.from(read).equals(model.subarray(at, at + length))).toBe(true);
      }
    },
  );
});
