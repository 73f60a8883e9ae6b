import { readFileSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { check, hasQemu, io, MIB, must, opened, run } from "./qemu.ts";
import { Workspace } from "./workspace.ts";

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
