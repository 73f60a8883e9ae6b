import { randomUUID } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { unlock, formatContainer, GeneratedPassphrase } from "@luksmith/luks";
import { describe, expect, it } from "vitest";
import { imageWrites, planImage, Qcow2File } from "../src/format/index.ts";
import { check, GIB, hasQemu, io, KIB, MIB, must, opened, run, TIB, Workspace } from "./qemu.ts";

const sizes: [name: string, bytes: bigint][] = [
  ["512 B", 512n],
  ["1 MiB", MIB],
  ["an odd number of sectors", 7n * MIB + 1536n],
  ["1 GiB and a sector", GIB + 512n],
  ["4 TiB", 4n * TIB],
];

describe.skipIf(!hasQemu)("a new image in QEMU", () => {
  for (const clusterBits of [9, 12, 14, 16, 18, 21]) {
    for (const [name, virtualSize] of sizes.filter(([, bytes]) => clusterBits > 9 || bytes < GIB)) {
      it(`is clean and usable: clusters of 2^${clusterBits}, ${name}`, async () => {
        await using space = new Workspace();
        for (const encrypted of [true, false]) {
          const image = await space.image({ virtualSize, clusterBits, encrypted });
          check(image);
          const info = JSON.parse(must("qemu-img", "info", "--output=json", ...opened(image)));
          expect(BigInt(info["virtual-size"])).toBe(virtualSize);
          expect(info["cluster-size"]).toBe(2 ** clusterBits);
          expect(Boolean(info.encrypted)).toBe(encrypted);

          const last = virtualSize - 512n;
          const first = virtualSize > 512n ? ["write -P 0x11 0 512"] : [];
          io(image, ...first, `write -P 0x22 ${last} 512`);
          io(image, ...first.map(() => "read -P 0x11 0 512"), `read -P 0x22 ${last} 512`);
          if (virtualSize > MIB) io(image, `read -P 0 ${MIB / 2n} 64k`);
          check(image);
        }
      });
    }
  }

  it("keeps its LUKS header through the guest's first writes", async () => {
    await using space = new Workspace();
    for (const clusterBits of [12, 16, 21]) {
      const image = await space.image({ virtualSize: 64n * MIB, clusterBits, encrypted: true });
      io(image, ...Array.from({ length: 16 }, (_, i) => `write -P ${i + 1} ${i * 4}M 1M`));
      check(image);
      io(image, ...Array.from({ length: 16 }, (_, i) => `read -P ${i + 1} ${i * 4}M 1M`));
      const area = (await Qcow2File.open(image.handle)).luksArea();
      using key = unlock((await area?.read(0, 0x1f_9000)) ?? new Uint8Array(), image.passphrase).volumeKey;
      expect(image.container?.volumeKey.equals(key)).toBe(true);
    }
  });

  it("opens with its passphrase only", async () => {
    await using space = new Workspace();
    const image = await space.image({ virtualSize: MIB, encrypted: true });
    const other = { ...image, key: space.key("something else") };
    expect(run("qemu-io", ["-c", "read 0 512", ...opened(other)])).toMatchObject({
      status: 1,
      output: expect.stringMatching(/Invalid password/),
    });
  });

  it("takes what QEMU does to it: internal snapshots, discards, resizing", async () => {
    await using space = new Workspace();
    const image = await space.image({ virtualSize: 8n * MIB, encrypted: true });
    io(image, "write -P 7 0 1M");
    must(
      "qemu-img",
      "snapshot",
      ...opened(image).slice(0, 2),
      "--image-opts",
      "-c",
      "s",
      opened(image)[3] ?? "",
    );
    io(image, "write -P 8 0 1M", "discard 4M 1M", "write -z 5M 1M");
    must("qemu-img", "resize", ...opened(image), "3G");
    io(image, "write -P 9 2G 1M", "read -P 8 0 1M");
    check(image);
    expect((await Qcow2File.open(image.handle)).header).toMatchObject({
      snapshots: 1,
      virtualSize: 3n * GIB,
    });
  });
});

describe.skipIf(!hasQemu)("a new overlay in QEMU", () => {
  const bases = ["raw", "qcow2"] as const;
  for (const format of bases) {
    for (const encrypted of [true, false]) {
      it(`falls through to a shorter ${format} base, and leaves it alone (encrypted: ${encrypted})`, async () => {
        await using space = new Workspace();
        const base = space.file();
        must("qemu-img", "create", "-q", "-f", format, base, "3M");
        must("qemu-io", "-f", format, "-c", "write -P 0x5a 0 3M", base);
        const before = readFileSync(base);
        for (const clusterBits of [12, 16, 21]) {
          const image = await space.image({
            virtualSize: 8n * MIB,
            clusterBits,
            backing: { file: base, format },
            encrypted,
          });
          check(image);
          io(
            image,
            "read -P 0x5a 0 3M",
            "read -P 0 3M 5M",
            "write -P 0x66 1000k 1k",
            "write -P 0x77 8191k 1k",
          );
          io(image, "read -P 0x5a 0 1000k", "read -P 0x66 1000k 1k", "read -P 0x5a 1001k 2071k");
          io(image, "read -P 0 3M 4M", "read -P 0x77 8191k 1k");
          check(image);
          const info = JSON.parse(must("qemu-img", "info", "--output=json", "-f", "qcow2", image.path));
          expect(info).toMatchObject({ "backing-filename": base, "backing-filename-format": format });
          expect(image.file.backing).toEqual({ file: base, format });
        }
        expect(readFileSync(base).equals(before)).toBe(true);
      });
    }
  }

  it("works on an encrypted base, with both passphrases", async () => {
    await using space = new Workspace();
    const base = await space.image({ virtualSize: 4n * MIB, encrypted: true });
    io(base, "write -P 0x21 0 4M");
    const backing = { file: base.path, format: "qcow2" };
    const image = await space.image({ virtualSize: 6n * MIB, backing, encrypted: true });
    const both = { ...image, backing: base };
    io(both, "read -P 0x21 0 4M", "read -P 0 4M 2M", "write -P 0x22 1M 5000");
    io(both, "read -P 0x21 0 1M", "read -P 0x22 1M 5000");
    check(both);
    expect(run("qemu-io", ["-c", "read 0 512", ...opened(image)]).status).toBe(1);
  });

  it("holds nothing of the plain bytes", async () => {
    await using space = new Workspace();
    const canary = Buffer.alloc(4096, "plaintext-canary-");
    const pattern = space.file();
    writeFileSync(pattern, canary);
    const image = await space.image({ virtualSize: 4n * MIB, encrypted: true });
    io(image, `write -s ${pattern} 0 1M`, `write -s ${pattern} 3M 64k`);
    expect(readFileSync(image.path).includes(canary.subarray(0, 16))).toBe(false);
  });
});

describe("planImage", () => {
  it.each([
    ["no bytes", { virtualSize: 0n }, "virtual-size"],
    ["part of a sector", { virtualSize: 1000n }, "virtual-size"],
    ["less than nothing", { virtualSize: -512n }, "virtual-size"],
    ["an L1 table above 32 MiB", { virtualSize: 8n * TIB + 512n, clusterBits: 12 }, "virtual-size-limit"],
    ["2^63 bytes", { virtualSize: 2n ** 63n, clusterBits: 21 }, "virtual-size-limit"],
    ["clusters of 256 bytes", { virtualSize: MIB, clusterBits: 8 }, "cluster-size"],
    ["clusters of 4 MiB", { virtualSize: MIB, clusterBits: 22 }, "cluster-size"],
    [
      "a backing file without a name",
      { virtualSize: MIB, backing: { file: "", format: "raw" } },
      "backing-file",
    ],
    ["a long name", { virtualSize: MIB, backing: { file: "x".repeat(1024), format: "raw" } }, "backing-file"],
    [
      "no room for a name",
      { virtualSize: MIB, clusterBits: 9, backing: { file: "x".repeat(400), format: "raw" } },
      "header-room",
    ],
    [
      "a format of several words",
      { virtualSize: MIB, backing: { file: "x", format: "raw json:" } },
      "backing-format",
    ],
    ["too small a LUKS area", { virtualSize: MIB, luks: { bytes: 4096 } }, "luks-length"],
  ])("refuses %s", (_name, request, reason) => {
    expect(() => planImage(request)).toThrow(
      expect.objectContaining({
        code: "Qcow2RequestInvalid",
        category: "input",
        details: expect.objectContaining({ reason }),
      }),
    );
  });

  it("goes as far as QEMU does", async () => {
    expect(planImage({ virtualSize: 8n * TIB, clusterBits: 12 }).header.l1.entries).toBe(4 * 1024 * 1024);
    expect(planImage({ virtualSize: 2n ** 61n, clusterBits: 21 }).header.l1.entries).toBe(4 * 1024 * 1024);
  });

  it("writes what QEMU writes: 36 clusters, the LUKS area from the fifth on", () => {
    using passphrase = GeneratedPassphrase.create();
    const plan = planImage({ virtualSize: GIB, luks: {} });
    expect(plan.clusters).toBe(36);
    expect(plan.header.luks).toEqual({ offset: 4 * 65_536, length: 0x1f_9000 });
    const uuid = randomUUID();
    expect(() => imageWrites(plan, formatContainer({ uuid, passphrase }))).toThrow(/payload|container/);
    expect(() => imageWrites(plan)).toThrow(expect.objectContaining({ code: "Qcow2RequestInvalid" }));
    const container = formatContainer({ uuid, passphrase, payloadOffset: 4040 });
    const bytes = imageWrites(plan, container).reduce((sum, write) => sum + write.bytes.length, 0);
    expect(BigInt(bytes)).toBeLessThan(260n * KIB);
  });
});
