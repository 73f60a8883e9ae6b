import { copyFileSync, readdirSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { randomUUID } from "node:crypto";
import { type BackendBench, type MadeDisk, RecordingRollback } from "@luksmith/testkit";
import { describe, expect, test } from "vitest";
import { runTool, tempDirectory } from "../../../testing/src/index.ts";
import { MIB, openBench, overlay, printOf } from "./disks.ts";

/** What can happen to a base, and what is said of it. */
const LOSSES = [
  { what: "is gone", code: "DiskNotFound", lose: (base: string) => rmSync(base) },
  {
    what: "is a copy under its name",
    code: "DiskReplaced",
    lose: (base: string) => {
      copyFileSync(base, `${base}.copy`);
      renameSync(`${base}.copy`, base);
    },
  },
  { what: "is longer", code: "DiskReplaced", lose: (base: string) => truncateSync(base, 4 * MIB) },
  { what: "is shorter", code: "DiskReplaced", lose: (base: string) => truncateSync(base, MIB) },
  {
    what: "is a directory",
    code: "DiskReplaced",
    lose: (base: string) => {
      rmSync(base);
      // Opened for reading, so that only a look tells.
      return runTool("mkdir", [base]);
    },
  },
] as const;

async function expectRefused(bench: BackendBench, { image, disk }: MadeDisk, code: string): Promise<void> {
  const before = await bench.fixture.contents();
  const fresh = bench.image(disk);
  const resize = fresh.resize(BigInt(8 * MIB), bench.ctx);
  await expect(resize).rejects.toMatchObject({ code });
  const directory = tempDirectory();
  for (const format of ["raw", "qcow2"] as const) {
    const undo = new RecordingRollback();
    const target = { path: join(directory, format), format, uuid: randomUUID(), operation: randomUUID() };
    await expect(fresh.snapshot(target, undo, bench.ctx)).rejects.toMatchObject({ code });
    expect(undo.size, "refused before anything was begun").toBe(0);
  }
  expect(readdirSync(directory)).toEqual([]);
  const report = await fresh.verify(bench.ctx);
  expect(report.ok).toBe(false);
  const failed = report.checks.filter(({ result }) => result === "fail");
  expect(failed.map(({ name }) => name)).toEqual(["base"]);
  expect(failed[0]?.message).toContain(image.source().backing?.file);
  expect(await bench.fixture.contents()).toEqual(before);
}

describe.each(LOSSES)("a disk whose base $what", ({ code, lose }) => {
  test("is neither grown, copied nor verified, and can still be removed", async () => {
    await using bench = await openBench();
    const made = await overlay(bench, "raw");
    expect((await made.image.verify(bench.ctx)).checks).toContainEqual({
      name: "base",
      result: "pass",
      message: `stands on ${made.base}`,
    });
    await lose(made.base);
    await expectRefused(bench, made, code);
    const identity = await bench.image(made.disk).requireOurs(undefined, bench.ctx);
    if (!identity) throw new Error("the disk is there");
    await bench.image(made.disk).remove(identity, bench.ctx);
    expect(await made.image.identify(bench.ctx)).toBeUndefined();
  });
});

describe("a disk on a qcow2 base", () => {
  test.each([
    ["is damaged", (base: string) => writeFileSync(base, Buffer.alloc(512), { flag: "r+" })],
    [
      "was made an overlay itself",
      async (base: string) => {
        const below = join(tempDirectory(), "below");
        await runTool("qemu-img", ["create", "-q", "-f", "raw", below, "3M"]);
        await runTool("qemu-img", ["rebase", "-u", "-f", "qcow2", "-b", below, "-F", "raw", base]);
      },
    ],
  ])("that %s is refused", async (_what, lose) => {
    await using bench = await openBench({ forceRaw: false });
    const made = await overlay(bench, "qcow2");
    await lose(made.base);
    await expectRefused(bench, made, "DiskReplaced");
    expect((await bench.image(made.disk).verify(bench.ctx)).ok).toBe(false);
  });
});

describe("a disk whose own header", () => {
  test("names another base than was recorded is refused", async () => {
    await using bench = await openBench();
    const made = await overlay(bench, "raw");
    const other = join(dirname(made.base), randomUUID());
    copyFileSync(made.base, other);
    const { backing: _backing, ...alone } = made.disk;
    expect((await bench.image(alone).verify(bench.ctx)).ok).toBe(false);
    const backing = { ...made.disk.backing, file: other } as typeof made.disk.backing;
    if (!backing) throw new Error("it is an overlay");
    expect((await bench.image({ ...alone, backing }).verify(bench.ctx)).ok).toBe(false);
    expect(printOf(other)).toBe(printOf(made.base));
  });
});
