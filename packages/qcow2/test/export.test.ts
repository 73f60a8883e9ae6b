import { randomBytes, randomUUID } from "node:crypto";
import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { createSectorCipher, formatContainer, GeneratedPassphrase, LuksEngine } from "@luksmith/luks";
import { afterAll, describe, expect, it } from "vitest";
import { exportGuest, Qcow2File } from "../src/index.ts";
import { fill, keyOf, source } from "./guest-content.ts";
import { hasQemu, io, MIB, must, runsOf } from "./qemu.ts";
import { Workspace } from "./workspace.ts";

const engine = new LuksEngine({ threads: 1 });
afterAll(() => engine[Symbol.asyncDispose]());

const refused = (code: string, reason: string) => ({ code, details: { reason } });

describe("exportGuest", () => {
  it("encrypts again with the target's key, zeros too", async () => {
    await using space = new Workspace();
    const { path, data } = source(space, 9 * 1024 * 1024 + 512);
    using passphrase = GeneratedPassphrase.create();
    const other = formatContainer({ uuid: randomUUID(), passphrase });
    using volumeKey = other.volumeKey;
    for (const encrypted of [true, false]) {
      const virtualSize = BigInt(data.length);
      const image = await space.image({ virtualSize, clusterBits: 14, encrypted });
      await fill(space, engine, image, path, [{ start: 0n, length: virtualSize }]);
      const target = space.file();
      const to = await space.handle(target, "wx+");
      const seen: bigint[] = [];
      await exportGuest(image.file, {
        engine,
        to: { fd: to.fd, offset: 8192n, volumeKey },
        zeros: "skip",
        onProgress: (done) => seen.push(done),
        ...keyOf(image),
      });
      const payload = readFileSync(target).subarray(8192);
      createSectorCipher(volumeKey).decrypt(payload, 0);
      expect(payload.equals(data)).toBe(true);
      expect(seen.at(-1)).toBe(virtualSize);
    }
  });

  it("writes zeros over what was there, if told to", async () => {
    await using space = new Workspace();
    const { path, data } = source(space, 4 * 1024 * 1024);
    const image = await space.image({ virtualSize: 4n * MIB, encrypted: true });
    await fill(space, engine, image, path, [{ start: 0n, length: 4n * MIB }]);
    const target = space.file();
    writeFileSync(target, randomBytes(data.length));
    const to = await space.handle(target);
    const request = { engine, to: { fd: to.fd, offset: 0n }, zeros: "write", ...keyOf(image) } as const;
    await exportGuest(image.file, request);
    expect(readFileSync(target).equals(data)).toBe(true);
    const { volumeKey: _key, ...keyless } = request;
    await expect(exportGuest(image.file, keyless)).rejects.toMatchObject(
      refused("Qcow2RequestInvalid", "volume-key"),
    );
  });

  it("refuses what it would get wrong: a base it does not know", async () => {
    await using space = new Workspace();
    const backing = { file: "/nowhere", format: "raw" };
    const image = await space.image({ virtualSize: MIB, backing, encrypted: false });
    const to = await space.handle(space.file(), "wx+");
    const running = exportGuest(image.file, { engine, to: { fd: to.fd, offset: 0n }, zeros: "skip" });
    await expect(running).rejects.toMatchObject(refused("Qcow2Unsupported", "backing"));
  });
});

describe.skipIf(!hasQemu)("guestRuns", () => {
  it("follow a guest's writes, and go where they are asked to", async () => {
    await using space = new Workspace();
    const image = await space.image({ virtualSize: 8n * MIB, encrypted: true });
    io(image, "write -P 1 1M 1M", "write -P 1 2M 64k", "write -z 4M 1M", "write -P 1 6M 100");
    const file = await Qcow2File.open(image.handle);
    const kinds = (await runsOf(file)).map(
      ({ kind, start, length }) => `${kind} ${start / 1024n}+${length / 1024n}`,
    );
    expect(kinds).toEqual([
      "unallocated 0+1024",
      "data 1024+1088",
      "unallocated 2112+1984",
      "zero 4096+1024",
      "unallocated 5120+1024",
      "data 6144+64",
      "unallocated 6208+1984",
    ]);
    const { value: part } = await file.runs({ start: MIB + 512n, length: 1024n }).next();
    const whole = await file.lookup(MIB);
    if (part?.kind !== "data" || whole.kind !== "data") throw new Error("no data");
    expect(part).toMatchObject({ start: MIB + 512n, length: 1024n, hostOffset: whole.hostOffset + 512n });
    expect(whole.length).toBe(65_536n);
    await expect(file.lookup(8n * MIB)).rejects.toMatchObject(refused("Qcow2RequestInvalid", "range"));
    await expect(file.runs({ start: 0n, length: 9n * MIB }).next()).rejects.toMatchObject({
      code: "Qcow2RequestInvalid",
    });
  });

  it("end with the file where it is plain and was cut short, as QEMU reads it", async () => {
    await using space = new Workspace();
    const image = await space.image({ virtualSize: MIB, encrypted: false });
    io(image, "write -P 1 0 64k");
    const { size } = await image.handle.stat();
    truncateSync(image.path, size - 60 * 1024);
    const runs = await runsOf(await Qcow2File.open(image.handle));
    expect(runs.slice(0, 2).map(({ kind, length }) => [kind, length])).toEqual([
      ["data", 4096n],
      ["zero", 61_440n],
    ]);
    must("qemu-io", "-f", "qcow2", "-c", "read -P 1 0 4k", "-c", "read -P 0 4k 60k", image.path);
  });
});
