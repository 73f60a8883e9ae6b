import { unlock } from "@luksmith/luks";
import { describe, expect, it } from "vitest";
import { Qcow2File } from "../src/index.ts";
import { check, GIB, hasQemu, io, MIB, must, opened, run, TIB } from "./qemu.ts";
import { Workspace } from "./workspace.ts";

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
