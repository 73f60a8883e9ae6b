import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import type { OwnLibvirt } from "@luksmith/testing-services";
import type { InstanceRecord } from "@luksmith/core/host";
import { expect } from "vitest";
import { LifeHost, type Picture, whole } from "../../life-host.ts";
import { rawBytesContain } from "../../oracles/raw-bytes.ts";

/** The run's volume group in the device-mapper kernel. */
export const GROUP = process.env["LUKSMITH_TEST_VG"] ?? "";

export interface Kind {
  readonly thin: boolean;
  readonly decryption: "qemu" | "dm-crypt";
}

const KINDS: readonly Kind[] = [
  { thin: true, decryption: "dm-crypt" },
  { thin: false, decryption: "qemu" },
  { thin: true, decryption: "qemu" },
  { thin: false, decryption: "dm-crypt" },
];

/** So many of them, or all by `LUKSMITH_LIVES=all`: guests take their time on the kernel's one processor. */
export function kinds(count: number): readonly Kind[] {
  return process.env["LUKSMITH_LIVES"] === "all" ? KINDS : KINDS.slice(0, count);
}

/** A host that runs guests on volumes of the run's group; `env` is a libvirtd in the same kernel. */
export function volumeHost(env: OwnLibvirt, { thin, decryption }: Kind): LifeHost {
  if (thin && !volumes().includes("pool"))
    tool("lvcreate", ["-qq", "-y", "--type=thin-pool", "-L", "96M", "-n", "pool", GROUP]);
  return new LifeHost("lvm", env, {
    memoryMiB: 192,
    luksmith: ["pbkdf_iterations = 1000", `decryption = ${decryption}`],
    sections: [
      "[libvirt]",
      `images_volume_group = ${GROUP}`,
      `sparse_logical_volumes = ${thin}`,
      "volume_clear = none",
    ],
  });
}

/** Guest, volumes, keys, libvirt's secrets; and the kernel has open what a running guest of its has, and nothing else. */
export async function expectLike(
  life: LifeHost,
  instance: InstanceRecord,
  guest: Picture["guest"],
  by: Kind["decryption"],
  changes: Partial<Picture> = {},
): Promise<void> {
  const secrets = by === "dm-crypt" ? { secrets: [] } : {};
  await life.expectPicture(instance, { ...whole(instance, guest), ...secrets, ...changes });
  const open = by === "dm-crypt" && guest === "running" ? instance.disks : [];
  const wanted = open.map(({ path }) => `${path.slice(`/dev/${GROUP}/`.length)}-luks`);
  expect(cryptMappings().toSorted()).toEqual(wanted.toSorted());
}

/** Whatever a test has left, also one that failed: nothing of it is in the way of the next. */
export function clearGroup(): void {
  for (const mapping of cryptMappings()) tool("cryptsetup", ["close", mapping]);
  if (volumes().length > 0) tool("lvremove", ["-qq", "-f", GROUP]);
}

/** A directory on a volume: in memory, where a test has its files, QEMU cannot write past the cache. */
export function scratchDirectory(): Disposable & { readonly path: string } {
  const device = `/dev/${GROUP}/scratch`;
  const path = "/tmp/scratch";
  tool("lvcreate", ["-qq", "-y", "-Wn", "-Zn", "-L", "32M", "-n", "scratch", GROUP]);
  tool("mke2fs", ["-q", "-t", "ext4", device]);
  mkdirSync(path, { recursive: true });
  tool("mount", [device, path]);
  return {
    path,
    [Symbol.dispose]: () => {
      tool("umount", [path]);
      tool("lvremove", ["-qq", "-f", `${GROUP}/scratch`]);
    },
  };
}

/** Runs a program in the kernel to its end; its output. */
export function tool(program: string, args: readonly string[]): string {
  return execFileSync(program, [...args], { timeout: 120_000, encoding: "latin1", stdio: "pipe" });
}

export function volumes(): readonly string[] {
  return lines(tool("lvs", ["--noheadings", "-o", "lv_name", GROUP]));
}

/** Devices of dm-crypt that are open on volumes of a group: other tests in the same kernel have theirs. */
export function cryptMappings(group = GROUP): readonly string[] {
  return lines(tool("dmsetup", ["table", "--target", "crypt"])).flatMap((line) => {
    const [, name, device] = /^(\S+): \d+ \d+ crypt \S+ \S+ \d+ (\d+:\d+) /u.exec(line) ?? [];
    if (name === undefined || device === undefined) return [];
    const below = `/sys/dev/block/${device}/dm/name`;
    // Closed meanwhile, or not on a volume.
    return existsSync(below) && readFileSync(below, "utf8").startsWith(`${group}-`) ? [name] : [];
  });
}

/** Whether what was ever written to a volume of these tests holds this: the physical volume below them, as far as they use it. */
export async function isInClear(text: string): Promise<boolean> {
  const disk = tool("vgs", ["--noheadings", "-o", "pv_name", GROUP]).trim();
  const copy = "/tmp/below";
  tool("dd", [`if=${disk}`, `of=${copy}`, "bs=1M", "count=192", "conv=sparse", "status=none"]);
  const found = await rawBytesContain(copy, text);
  rmSync(copy);
  return found;
}

function lines(text: string): readonly string[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
}
