import { readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BackendBench } from "@luksmith/testkit";
import { describe, expect, test } from "vitest";
import {
  checkFilesystem,
  probe,
  qemuDecrypt,
  rawBytesContain,
  tempDirectory,
} from "../../../testing/src/index.ts";
import { rawFixture } from "./raw-fixture.ts";

const MIB = 1024 * 1024;

/** The least that each tool takes, and a text of its own that is at a fixed place in what it writes. */
const FORMATS = [
  { format: "ext2", mib: 16, magic: "lost+found" },
  { format: "ext3", mib: 16, magic: "lost+found" },
  { format: "ext4", mib: 16, magic: "lost+found" },
  { format: "xfs", mib: 300, magic: "XFSB" },
  { format: "vfat", mib: 8, magic: "mkfs.fat" },
  { format: "ntfs", mib: 8, magic: "NTFS    " },
  { format: "swap", mib: 8, magic: "SWAPSPACE2" },
] as const;

describe("a formatted disk", () => {
  test.each(FORMATS)("invariant 6: $format reaches the storage encrypted only", async (given) => {
    const { format, mib, magic } = given;
    await using bench = await BackendBench.open(rawFixture);
    const label = format === "swap" ? undefined : "ephemeral0";
    const names = (): readonly string[] => ["/dev/shm", tmpdir()].flatMap((path) => readdirSync(path));
    const before = names();
    const source = { kind: "filesystem", format, ...(label ? { label } : {}) } as const;
    const { image, passphrase } = await bench.create(source, { virtualSize: BigInt(mib * MIB) });
    // Other tests run meanwhile, each in directories of such names.
    const tests = /^luksmith-[a-z0-9-]+-[A-Za-z0-9]{6}$/;
    const ours = (name: string): boolean =>
      !before.includes(name) && !tests.test(name) && /luksmith|ephemeral|mkfs|\.tmp$/.test(name);
    expect(names().filter(ours), "files left in temporary directories").toEqual([]);
    for (const text of [magic, ...(label ? [label] : [])]) {
      expect(await rawBytesContain(image.path, text), `${text} in clear`).toBe(false);
    }

    const plain = join(tempDirectory(), "plain");
    await qemuDecrypt({ path: image.path, format: "raw", passphrase }, plain);
    expect(await rawBytesContain(plain, magic), `${magic} is what a leak would show`).toBe(true);
    expect(await probe(plain)).toEqual({ type: format, label });
    await checkFilesystem(plain, format);
    rmSync(plain);
  });

  test("that the tool refuses is refused with what the tool said, and leaves nothing", async () => {
    await using bench = await BackendBench.open(rawFixture);
    const { image, passphrase, undo } = await bench.describe({ virtualSize: 512n });
    const source = { kind: "filesystem", format: "ext4" } as const;
    const before = await bench.fixture.contents();
    const create = image.create({ source, passphrase }, undo, bench.ctx);
    await expect(create).rejects.toMatchObject({ code: "CommandFailed", category: "command" });
    await undo.undo(image);
    expect(await bench.fixture.contents()).toEqual(before);
  });
});
