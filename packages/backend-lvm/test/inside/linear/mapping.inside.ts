import { existsSync } from "node:fs";
import type { MappingListener } from "@luksmith/core";
import { BackendBench } from "@luksmith/testkit";
import { expect, test } from "vitest";
import { LINEAR, lvmFixture } from "../lvm-fixture.ts";

test("a mapping is told of each time it is opened or closed, and what cannot be told is not open", async () => {
  const told: string[] = [];
  let full = true;
  const mapped: MappingListener = async ({ path, open }) => {
    if (full) throw new Error("the audit log cannot be written");
    told.push(`${path} ${open}`);
  };
  await using bench = await BackendBench.open((services) =>
    lvmFixture({ ...services, mapped }, { ...LINEAR, decryption: "dm-crypt" }),
  );
  const { image, disk } = await bench.create();
  const path = `/dev/mapper/${disk.instanceUuid}_${disk.name}-luks`;
  expect(image.guestSource).toEqual({ type: "block", dev: path, format: "raw", decryptedBy: "kernel" });
  await expect(image.activate(bench.ctx)).rejects.toThrow("cannot be written");
  expect(existsSync(path)).toBe(false);
  full = false;
  for (const _again of [1, 2]) await image.activate(bench.ctx);
  expect(existsSync(path)).toBe(true);
  expect(told).toEqual([`${path} true`]);
  // Whatever is done to a disk that nobody has open closes it.
  await image.requireIdle(bench.ctx);
  await image.deactivate(bench.ctx);
  expect(existsSync(path)).toBe(false);
  expect(told).toEqual([`${path} true`, `${path} false`]);
});
