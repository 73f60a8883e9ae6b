import { randomBytes } from "node:crypto";
import { truncateSync, writeFileSync } from "node:fs";
import { LuksEngine } from "@luksmith/luks";
import { afterAll, describe, expect, it } from "vitest";
import { Qcow2File, Qcow2Writer, readGuest } from "../src/index.ts";
import { cipherOf, fill, keyOf, type Part, source } from "./guest-content.ts";
import { GIB, MIB } from "./qemu.ts";
import { Workspace } from "./workspace.ts";

const engine = new LuksEngine({ threads: 1 });
afterAll(() => engine[Symbol.asyncDispose]());

describe("Qcow2Writer", () => {
  it("refuses what it cannot do right", async () => {
    await using space = new Workspace();
    const { path } = source(space, 1024 * 1024);
    const from = await space.handle(path, "r");
    const image = await space.image({ virtualSize: 4n * MIB, encrypted: true });
    const writer = await Qcow2Writer.open(image.file, engine);
    const write = (extents: Part[], more = keyOf(image)) =>
      writer.write({ from: { fd: from.fd, offset: 0n }, extents, ...more });
    const refused = (reason: string) => ({ code: "Qcow2RequestInvalid", details: { reason } });
    await expect(write([{ start: 0n, length: 512n }], {})).rejects.toMatchObject(refused("volume-key"));
    await expect(write([{ start: 100n, length: 512n }])).rejects.toMatchObject(refused("extent"));
    await expect(write([{ start: 4n * MIB, length: 512n }])).rejects.toMatchObject(refused("extent"));
    await expect(write([{ start: 0n, length: 2n * MIB }])).rejects.toMatchObject({
      code: "LuksRequestInvalid",
    });
    await write([{ start: 0n, length: 65_536n }]);
    await expect(write([{ start: 512n, length: 512n }])).rejects.toMatchObject(refused("written-twice"));
    await writer.finish();
    await expect(Qcow2Writer.open(await Qcow2File.open(image.handle), engine)).rejects.toMatchObject(
      refused("not-new"),
    );
    const overlay = await space.image({
      virtualSize: 4n * MIB,
      encrypted: false,
      backing: { file: path, format: "raw" },
    });
    const onBase = await Qcow2Writer.open(overlay.file, engine);
    const part = onBase.write({ from: { fd: from.fd, offset: 0n }, extents: [{ start: 0n, length: 512n }] });
    await expect(part).rejects.toMatchObject(refused("partial-cluster"));
  });

  it("stops when told to, and reports how far it is", async () => {
    await using space = new Workspace();
    const path = space.file();
    writeFileSync(path, "");
    truncateSync(path, 200 * 1024 * 1024);
    const from = await space.handle(path, "r+");
    for (let at = 0; at < 200; at += 10) await from.write(Buffer.alloc(1024, 1), 0, 1024, at * 1024 * 1024);
    const image = await space.image({ virtualSize: GIB, encrypted: true });
    const writer = await Qcow2Writer.open(image.file, engine);
    const controller = new AbortController();
    const seen: bigint[] = [];
    const extents = [{ start: 0n, length: 200n * MIB }];
    const onProgress = (done: bigint, total: bigint): void => {
      expect(total).toBe(200n * MIB);
      if (seen.push(done) === 2) controller.abort(new Error("enough"));
    };
    const running = writer.write({
      from: { fd: from.fd, offset: 0n },
      extents,
      signal: controller.signal,
      onProgress,
      ...keyOf(image),
    });
    await expect(running).rejects.toThrow("enough");
    expect(seen).toEqual([64n * MIB, 128n * MIB]);
  });

  it("takes a source that ends within its last sector", async () => {
    await using space = new Workspace();
    const path = space.file();
    const data = randomBytes(100_000);
    writeFileSync(path, data);
    const image = await space.image({ virtualSize: MIB, encrypted: true });
    await fill(space, engine, image, path, [{ start: 0n, length: 100_352n }]);
    const guest = Buffer.from(await readGuest(image.file, { start: 0n, length: 131_072 }, cipherOf(image)));
    expect(guest.equals(Buffer.concat([data, Buffer.alloc(131_072 - data.length)]))).toBe(true);
  });
});
