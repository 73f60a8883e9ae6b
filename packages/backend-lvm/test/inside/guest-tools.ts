import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Passphrase } from "@luksmith/core";

const execute = promisify(execFile);

/** The run's volume group in the device-mapper kernel. */
export const GROUP = process.env["LUKSMITH_TEST_VG"] ?? "";

/** Runs a tool to its end. @returns its output */
export async function run(file: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await execute(file, args, { maxBuffer: 1 << 26 });
  return stdout;
}

/** As `run`, where it may fail. */
export async function exitCode(file: string, ...args: readonly string[]): Promise<number> {
  return await execute(file, args).then(
    () => 0,
    (error: unknown) => Number((error as { code?: unknown }).code),
  );
}

/** Lends a passphrase as a file in the guest's memory. */
export async function withKeyFile<T>(passphrase: Passphrase, use: (path: string) => Promise<T>): Promise<T> {
  const path = join(tmpdir(), randomUUID());
  await writeFile(
    path,
    passphrase.use((bytes) => Buffer.from(bytes)),
    { mode: 0o600 },
  );
  try {
    return await use(path);
  } finally {
    await rm(path);
  }
}

/** What QEMU shows a guest that is given `size` bytes of a device or file (all of it without), as libvirt gives them. */
export async function qemuRead(
  place: { readonly path: string; readonly size?: bigint },
  passphrase: Passphrase | undefined,
): Promise<Uint8Array> {
  const plain = join(tmpdir(), randomUUID());
  const driver = place.path.startsWith("/dev/") ? "host_device" : "file";
  const below = passphrase ? "file." : "";
  const size = place.size === undefined ? "" : `,${below}size=${place.size}`;
  const raw = `${below}driver=raw${size},${below}file.driver=${driver},${below}file.filename=${place.path}`;
  try {
    if (passphrase) {
      await withKeyFile(passphrase, (key) =>
        run(
          "qemu-img",
          "convert",
          "--object",
          `secret,id=s0,file=${key}`,
          ...opened(`driver=luks,key-secret=s0,${raw}`, plain),
        ),
      );
    } else {
      await run("qemu-img", "convert", ...opened(raw, plain));
    }
    return await readFile(plain);
  } finally {
    await rm(plain, { force: true });
  }
}

function opened(options: string, into: string): readonly string[] {
  return ["-O", "raw", "--image-opts", options, into];
}

/** Whether the kernel's LUKS opens with it; throws on anything but yes and "wrong passphrase". */
export async function cryptsetupOpens(path: string, passphrase: Passphrase): Promise<boolean> {
  return await withKeyFile(passphrase, async (key) => {
    try {
      await run("cryptsetup", "open", "--type=luks1", "--test-passphrase", "--key-file", key, path);
      return true;
    } catch (error) {
      const { stderr = "" } = error as { stderr?: string };
      if (/No key available with this passphrase|No usable keyslot/.test(stderr)) return false;
      throw error;
    }
  });
}

/** Opens a disk with the kernel's dm-crypt while `use` runs. */
export async function withMapping<T>(
  path: string,
  passphrase: Passphrase,
  use: (mapped: string) => Promise<T>,
): Promise<T> {
  const name = `test-${randomUUID()}`;
  await withKeyFile(passphrase, (key) =>
    run("cryptsetup", "open", "--type=luks1", "--batch-mode", "--key-file", key, path, name),
  );
  try {
    return await use(`/dev/mapper/${name}`);
  } finally {
    await run("cryptsetup", "close", name);
  }
}

/** Writes as a guest does whose disk is limited to `size` bytes of the device. */
export async function qemuWrite(
  place: { readonly path: string; readonly size: bigint },
  passphrase: Passphrase,
  offset: number,
  bytes: Uint8Array,
): Promise<void> {
  const pattern = join(tmpdir(), randomUUID());
  await writeFile(pattern, bytes);
  const below = `file.driver=raw,file.size=${place.size},file.file.driver=host_device,file.file.filename=${place.path}`;
  const write = `write -s ${pattern} ${offset} ${bytes.length}`;
  try {
    const said = await withKeyFile(passphrase, (key) =>
      run(
        "qemu-io",
        "--object",
        `secret,id=s0,file=${key}`,
        "--image-opts",
        `driver=luks,key-secret=s0,${below}`,
        "-c",
        write,
      ),
    );
    if (!said.includes("wrote")) throw new Error(said);
  } finally {
    await rm(pattern);
  }
}
