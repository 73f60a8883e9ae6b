import { truncate, writeFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { Qcow2File } from "../src/index.ts";
import { MIB } from "./qemu.ts";
import { type OurImage, Workspace } from "./workspace.ts";

const sample = (space: Workspace): Promise<OurImage> =>
  space.image({
    virtualSize: 8n * MIB,
    backing: { file: "/nowhere/base.raw", format: "raw" },
    encrypted: true,
  });

describe("the tables", () => {
  const HIGH = 2n ** 63n;
  const tables: [name: string, l1: bigint, l2: bigint, reason: string][] = [
    ["an L2 table off the clusters", HIGH | 0x2_0200n, 0n, "l1-offset"],
    ["an L2 table beyond the end", HIGH | (2n ** 40n), 0n, "l1-offset"],
    ["reserved bits in L1", HIGH | (2n ** 60n) | 0x1_0000n, 0n, "l1-reserved"],
    ["low reserved bits in L1", HIGH | 0x1_0001n, 0n, "l1-reserved"],
    ["a cluster off the clusters", HIGH, HIGH | 0x2_0200n, "l2-offset"],
    ["a cluster beyond the end", HIGH, HIGH | (2n ** 50n), "l2-offset"],
    ["a cluster nowhere", HIGH, HIGH, "l2-offset"],
    ["reserved bits in L2", HIGH, HIGH | (2n ** 58n) | 0x1_0000n, "l2-reserved"],
    ["low reserved bits in L2", HIGH, HIGH | 0x1_0002n, "l2-reserved"],
  ];

  it.each(tables)("with %s are refused", async (_name, l1, l2, reason) => {
    await using space = new Workspace();
    const { handle, file } = await sample(space);
    const l2Table = Math.ceil((await handle.stat()).size / 65_536) * 65_536;
    const entry = Buffer.alloc(65_536);
    entry.writeBigUInt64BE(l2, 8);
    await handle.write(entry, 0, entry.length, l2Table);
    entry.writeBigUInt64BE(l1 === HIGH ? HIGH | BigInt(l2Table) : l1);
    await handle.write(entry, 0, 8, file.header.l1.offset);
    const image = await Qcow2File.open(handle);
    const refused = { code: "Qcow2TableInvalid", details: { reason } };
    await expect(image.lookup(65_536n)).rejects.toMatchObject(refused);
    await expect(image.runs().next()).rejects.toMatchObject(refused);
  });

  it("that lead to one L2 table over and over are refused in time", async () => {
    await using space = new Workspace();
    const { handle, file } = await space.image({
      virtualSize: 2n ** 40n,
      clusterBits: 9 + 3,
      encrypted: false,
    });
    const l2Table = (await handle.stat()).size;
    await truncate(`/proc/self/fd/${handle.fd}`, l2Table + 4096);
    const l1 = Buffer.alloc(file.header.l1.entries * 8);
    for (let at = 0; at < l1.length; at += 8) l1.writeBigUInt64BE(HIGH | BigInt(l2Table), at);
    await handle.write(l1, 0, l1.length, file.header.l1.offset);
    const walk = async (): Promise<void> => {
      for await (const _run of (await Qcow2File.open(handle)).runs());
    };
    await expect(walk()).rejects.toMatchObject({ code: "Qcow2HeaderHostile" });
  });

  it("refuses a file that is none", async () => {
    await using space = new Workspace();
    const path = space.file();
    await writeFile(path, Buffer.alloc(100_000, "MZ"));
    await expect(Qcow2File.open(await space.handle(path, "r"))).rejects.toMatchObject({
      code: "Qcow2HeaderInvalid",
      category: "integrity",
      retryable: false,
    });
  });
});
