import { randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { unlock } from "@luksmith/core";
import { BackendBench, MIB } from "@luksmith/testkit";
import { describe, expect, test } from "vitest";
import { GROUP, qemuRead, qemuWrite, run, withKeyFile, withMapping } from "../guest-tools.ts";
import { LINEAR, lvmFixture } from "../lvm-fixture.ts";

const SIZE = 24 * MIB;
const MOUNT = "/tmp/mounted-here";

async function mounted<T>(device: string, use: () => Promise<T>): Promise<T> {
  await mkdir(MOUNT, { recursive: true });
  await run("mount", device, MOUNT);
  try {
    return await use();
  } finally {
    await run("umount", MOUNT);
  }
}

describe("the kernel's dm-crypt, QEMU and this backend", () => {
  test("what we wrote the kernel mounts; what it writes QEMU reads; what QEMU writes the kernel reads", async () => {
    await using bench = await BackendBench.open((services) => lvmFixture(services, LINEAR));
    const size = BigInt(SIZE) + 512n * 3n;
    const { image, passphrase } = await bench.create(
      { kind: "filesystem", format: "ext4", label: "ours" },
      { virtualSize: size },
    );
    const secret = randomBytes(100_000);
    await withMapping(image.path, passphrase, (mapped) =>
      mounted(mapped, () => writeFile(`${MOUNT}/file`, secret)),
    );
    const container = { path: image.path, size: size + BigInt(2 * MIB) };
    const seen = Buffer.from(await qemuRead(container, passphrase));
    expect(seen.length).toBe(Number(size));
    expect(seen.includes(secret.subarray(0, 4096)), "QEMU sees the kernel's file").toBe(true);
    expect((await readFile(image.path)).includes(secret.subarray(0, 64)), "in clear").toBe(false);
    const written = randomBytes(8192);
    await qemuWrite(container, passphrase, Number(size) - 8192, written);
    const whole = await withMapping(image.path, passphrase, (mapped) => readFile(mapped));
    expect(whole.subarray(Number(size) - 8192, Number(size)).equals(written)).toBe(true);
    // And mounts what QEMU has left of the file system; QEMU cannot write behind the disk's end.
    await withMapping(image.path, passphrase, (mapped) =>
      mounted(mapped, async () => expect((await readFile(`${MOUNT}/file`)).equals(secret)).toBe(true)),
    );
    await expect(qemuWrite(container, passphrase, Number(size) - 4096, written)).rejects.toThrow();
  });

  test("what cryptsetup formats, with our uuid and passphrase, is a good disk to us", async () => {
    await using bench = await BackendBench.open((services) => lvmFixture(services, LINEAR));
    const { image, disk, passphrase } = await bench.create();
    const layout =
      "--type=luks1 --cipher=aes-xts-plain64 --key-size=512 --hash=sha256 --pbkdf-force-iterations=1000".split(
        " ",
      );
    await withKeyFile(passphrase, (key) =>
      run(
        "cryptsetup",
        "luksFormat",
        "-q",
        ...layout,
        `--uuid=${disk.uuid}`,
        "--align-payload=4096",
        image.path,
        key,
      ),
    );
    const bytes = randomBytes(65_536);
    await bench.fixture.oracle.write(image, passphrase, MIB, bytes);
    expect(await image.verify(bench.ctx)).toMatchObject({ ok: true });
    const seen = await bench.fixture.oracle.read(image, passphrase);
    expect(Buffer.from(seen.subarray(MIB, MIB + 65_536)).equals(bytes)).toBe(true);
  });

  test("what QEMU formats on a volume we open", async () => {
    await using bench = await BackendBench.open((services) => lvmFixture(services, LINEAR));
    const { passphrase } = await bench.describe();
    await run("lvcreate", "-qq", "-y", "-Wn", "-Zn", "-L", "8M", "-n", "qemus", GROUP);
    const path = `/dev/${GROUP}/qemus`;
    await withKeyFile(passphrase, (key) =>
      run(
        "qemu-img",
        "create",
        "-q",
        "-f",
        "luks",
        "--object",
        `secret,id=s0,file=${key}`,
        "-o",
        "key-secret=s0,iter-time=10",
        path,
        "4M",
      ),
    );
    using opened = unlock(await readFile(path), passphrase).volumeKey;
    expect(opened.use((key) => key.length)).toBe(64);
  });
});
