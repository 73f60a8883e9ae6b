import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { grow, Qcow2File, setBacking } from "../src/index.ts";
import { GIB, hasQemu, io, MIB, opened, run, type TestImage } from "./qemu.ts";
import { Workspace } from "./workspace.ts";

type Change = (file: FileHandle) => Promise<unknown>;

/** A handle that notes every change it makes to the file. */
function recording(handle: FileHandle, changes: Change[]): FileHandle {
  const noted: Partial<FileHandle> = {
    write: ((bytes: Uint8Array, offset: number, length: number, position: number) => {
      const copy = bytes.slice(offset, offset + length);
      changes.push((file) => file.write(copy, 0, copy.length, position));
      return handle.write(bytes, offset, length, position);
    }) as FileHandle["write"],
    truncate: (length) => {
      changes.push((file) => file.truncate(length));
      return handle.truncate(length);
    },
  };
  return new Proxy(handle, {
    get: (target, name) => {
      const value: unknown = Reflect.get(name in noted ? noted : target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** What `qemu-img check` says: clean, or at worst leaks. */
const isSound = (image: TestImage): boolean =>
  [0, 3].includes(run("qemu-img", ["check", ...opened(image)]).status ?? -1);

describe.skipIf(!hasQemu)("an image whose change stopped half-way", () => {
  const backingSize = 4096n;
  const changes: [name: string, clusterBits: number, change: (file: Qcow2File) => Promise<void>][] = [
    ["grown within its L1 table", 16, (file) => grow(file, GIB, { backingSize })],
    ["grown with a new L1 table", 12, (file) => grow(file, 3n * GIB, { backingSize })],
    ["grown with a new refcount table", 9, (file) => grow(file, 40n * GIB, { backingSize })],
    ["without a base now", 16, (file) => setBacking(file, undefined)],
  ];

  it.each(changes)("still works: %s", async (_name, clusterBits, change) => {
    await using space = new Workspace();
    const base = space.file();
    writeFileSync(base, Buffer.alloc(4096, 0x51));
    const image = await space.image({
      virtualSize: 4n * MIB,
      clusterBits,
      encrypted: true,
      backing: { file: base, format: "raw" },
    });
    io(image, "write -P 0x52 1M 100k");
    const before = space.file();
    copyFileSync(image.path, before);
    const steps: Change[] = [];
    const file = await Qcow2File.open(recording(image.handle, steps));
    const { virtualSize: original } = file;
    await change(file);
    expect(steps.length).toBeGreaterThan(0);

    for (let done = 0; done <= steps.length; done++) {
      const path = space.file();
      copyFileSync(before, path);
      const half = await space.handle(path);
      for (const step of steps.slice(0, done)) await step(half);
      const copy = { ...image, path };
      expect(isSound(copy)).toBe(true);
      io(copy, "read -P 0x52 1M 100k", "read -P 0 2M 2M");
      const { virtualSize } = await Qcow2File.open(half);
      expect([original, file.virtualSize]).toContain(virtualSize);
    }
    const last = space.file();
    copyFileSync(before, last);
    const whole = await space.handle(last);
    for (const step of steps) await step(whole);
    expect(readFileSync(last).equals(readFileSync(image.path))).toBe(true);
  });
});
