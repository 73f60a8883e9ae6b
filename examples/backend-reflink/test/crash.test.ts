import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { BackendBench, MIB, sourceImage } from "@luksmith/testkit";
import { afterAll, describe, expect, test } from "vitest";
import { rollBack, takeCheckpoint } from "../src/checkpoints.ts";
import { reflinkFixture } from "./reflink-fixture.ts";
import { folderOf, reflinkStorage } from "./storage.ts";

const storage = reflinkStorage("xfs");
const KILLS = Number(process.env["REFLINK_KILLS"] ?? 4);
const HEADER = 2 * MIB;

describe.skipIf(typeof storage === "string")("a command that is killed", () => {
  if (typeof storage === "string") return;
  afterAll(() => storage[Symbol.dispose]());

  test(
    `leaves the disk as before or after (${KILLS} kills)`,
    { timeout: 60_000 + KILLS * 20_000 },
    async () => {
      await using bench = await BackendBench.open((services) => reflinkFixture(folderOf(storage), services));
      await using source = await sourceImage(4 * MIB);
      const { image, disk, passphrase } = await bench.create({ kind: "image", image: source });
      const folder = dirname(image.path);
      const place = { directory: dirname(folder), instanceUuid: disk.instanceUuid, name: disk.name };
      await takeCheckpoint(place, "one");
      const other = randomBytes(MIB);
      await bench.fixture.oracle.write(image, passphrase, MIB, other);
      await takeCheckpoint(place, "two");
      const header = (await readFile(image.path)).subarray(0, HEADER);
      for (let kill = 0; kill < KILLS; kill += 1) {
        const script = join(import.meta.dirname, "roll-back-for-ever.ts");
        const child = spawn(process.execPath, [script, place.directory, place.instanceUuid, place.name], {
          stdio: ["ignore", "pipe", "inherit"],
        });
        await once(child.stdout, "data");
        await wait(Math.random() * 60);
        child.kill("SIGKILL");
        await once(child, "close");
        const seen = Buffer.from(await bench.fixture.oracle.read(image, passphrase));
        const second = seen.subarray(MIB, 2 * MIB).equals(other);
        expect(second || seen.equals(source.bytes), "as at one of the checkpoints").toBe(true);
        for (const name of await readdir(folder)) {
          if (name === "disk" || name.startsWith(".disk.")) continue;
          const bytes = await readFile(join(folder, name));
          expect(
            bytes.subarray(4096, HEADER).every((byte) => byte === 0),
            `${name} has no key slot`,
          ).toBe(true);
        }
      }
      await rollBack(place, "one");
      expect((await readFile(image.path)).subarray(0, HEADER).equals(header), "the header is as it was").toBe(
        true,
      );
      expect(source.bytes.equals(await bench.fixture.oracle.read(image, passphrase))).toBe(true);
      await image.remove((await image.identify(bench.ctx)) ?? {}, bench.ctx);
      await expect(readdir(folder)).rejects.toMatchObject({ code: "ENOENT" });
    },
  );
});
