import { ioError } from "../errors/io-error.ts";
import { LuksmithError } from "../errors/luksmith-error.ts";
import { openTmpfsFile } from "../command/tmpfs-file.ts";
import type { Extent, GuestFormat, ImageSource } from "./disk-content.ts";
import type { OpenContent } from "./disk-content-source.ts";
import type { ImageServices } from "./image-backend.ts";
import type { ImageDisk } from "./image-disk.ts";
import type { OpContext } from "./op-context.ts";

type Filesystem = Extract<ImageSource, { kind: "filesystem" }>;

/** The device that the tool sees: a nameless file in memory, inherited. */
const TARGET = "/dev/fd/3";

/**
 * What Nova runs for each `guest_format`, with the options that make a tool write, and not assume, every zero it
 * relies on: outside what it wrote, an encrypted disk reads as noise. `nodiscard` and the lazy options keep mke2fs
 * from taking a file's holes for zeroed blocks; its environment keeps it from punching holes instead of writing.
 */
const TOOLS: Readonly<Record<GuestFormat, (label: string | undefined) => readonly string[]>> = {
  ext2: (label) => mke2fs("ext2", label),
  ext3: (label) => mke2fs("ext3", label),
  ext4: (label) => mke2fs("ext4", label),
  xfs: (label) => ["mkfs.xfs", "-q", "-f", "-K", ...(label ? ["-L", label.slice(0, 12)] : []), TARGET],
  vfat: (label) => ["mkfs.vfat", ...(label ? ["-n", label.slice(0, 11)] : []), TARGET],
  ntfs: (label) => ["mkntfs", "--quick", "--force", "--quiet", ...(label ? ["--label", label] : []), TARGET],
  swap: (label) => ["mkswap", ...(label ? ["-L", label] : []), TARGET],
};

function mke2fs(type: string, label: string | undefined): readonly string[] {
  const lazy = "nodiscard,lazy_itable_init=1,lazy_journal_init=1";
  return ["mke2fs", "-q", "-F", "-t", type, "-E", lazy, ...(label ? ["-L", label.slice(0, 16)] : []), TARGET];
}

/**
 * Makes an empty file system of the disk's exact size in memory, and finds what of it was written. It reaches the
 * disk through the encryption only; nothing plain touches the host's storage.
 * @throws `CommandNotFound` naming the package, `CommandFailed` (a disk too small for the format, say)
 */
export async function makeFilesystem(
  source: Filesystem,
  disk: ImageDisk,
  services: ImageServices,
  ctx: OpContext,
): Promise<OpenContent> {
  const file = await openTmpfsFile();
  try {
    await file.truncate(Number(disk.virtualSize));
    const [tool = "", ...args] = TOOLS[source.format](source.label);
    await services.commands.run(
      {
        file: tool,
        args,
        inheritFds: [file.fd],
        env: { UNIX_IO_NOZEROOUT: "1", MKE2FS_DEVICE_SECTSIZE: "512" },
        timeoutMs: services.policy.commandTimeoutMs,
      },
      ctx,
    );
    const extents = await writtenExtents(file.fd, disk, services, ctx);
    return {
      content: { fd: file.fd, length: disk.virtualSize, extents },
      [Symbol.asyncDispose]: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw ioError(error, `making a file system for ${disk.name} in memory`);
  }
}

/** The parts of a file that are not holes. Node cannot seek for data; `qemu-img map` can. */
async function writtenExtents(
  fd: number,
  disk: ImageDisk,
  services: ImageServices,
  ctx: OpContext,
): Promise<readonly Extent[]> {
  const { stdout } = await services.commands.run(
    {
      file: "qemu-img",
      args: ["map", "--output=json", "-f", "raw", TARGET],
      inheritFds: [fd],
      timeoutMs: services.policy.commandTimeoutMs,
      maxOutputBytes: 64 * 1024 * 1024,
    },
    ctx,
  );
  const map: unknown = JSON.parse(stdout);
  if (!Array.isArray(map)) {
    throw new LuksmithError(
      "CommandFailed",
      `qemu-img map gave no list for the new file system of ${disk.name}`,
    );
  }
  return map.filter(isMapEntry).flatMap(({ start, length, data }): Extent[] => {
    // A write of zeros is reported as `zero` too, but is data: only true holes may be left out.
    return data ? [{ start: BigInt(start), length: BigInt(length) }] : [];
  });
}

interface MapEntry {
  readonly start: number;
  readonly length: number;
  readonly data: boolean;
}

function isMapEntry(value: unknown): value is MapEntry {
  return (
    typeof value === "object" && value !== null && "start" in value && "length" in value && "data" in value
  );
}
