import { constants, statSync } from "node:fs";
import { type FileHandle, open, readFile } from "node:fs/promises";
import { errnoOf, ioError, LuksmithError } from "@luksmith/core";
import { mapperName } from "./volume-name.ts";

/** Where a volume's device node is, and what the kernel must say of it. */
export interface VolumePlace {
  readonly group: string;
  readonly name: string;
  /** `/dev/GROUP/NAME` */
  readonly path: string;
  /** For messages. */
  readonly label: string;
}

/**
 * The uuid of the volume behind the device node, as LVM writes it without hyphens; undefined: there is no node. By the
 * kernel alone, without a command.
 * @throws `DeviceNodeStale`: the node is another's, or no device
 */
export async function nodeUuid({ group, name, path }: VolumePlace): Promise<string | undefined> {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) return undefined;
  return await uuidBehind(stat.isBlockDevice(), stat.rdev, { group, name, path });
}

/**
 * Opens the volume's device, and makes sure by the kernel that it is that volume.
 * @param uuid the volume's; undefined: whichever has the name
 * @param flags `O_RDONLY` or `O_RDWR`, with more if wanted
 * @throws `DiskNotFound`, `DiskReplaced`, `DeviceNodeStale`, `DiskInUse` (with `O_EXCL`)
 */
export async function openVolume(
  place: VolumePlace,
  uuid: string | undefined,
  flags: number,
): Promise<FileHandle> {
  const { path, label } = place;
  const handle = await openNode(place, flags);
  try {
    const stat = await handle.stat();
    const found = await uuidBehind(stat.isBlockDevice(), stat.rdev, place);
    if (uuid !== undefined && found !== plain(uuid)) {
      throw new LuksmithError("DiskReplaced", `${label} was replaced just now; nothing was touched`, {
        details: { path },
      });
    }
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** LVM shows a volume's uuid with hyphens, the kernel has it without. */
export function plain(uuid: string): string {
  return uuid.replaceAll("-", "");
}

async function openNode({ path, label }: VolumePlace, flags: number): Promise<FileHandle> {
  try {
    return await open(path, flags);
  } catch (error) {
    const errno = errnoOf(error);
    const because = { cause: error, details: { path } };
    if (errno === "ENOENT" || errno === "ENOTDIR") {
      throw new LuksmithError(
        "DiskNotFound",
        `${label} has no device node; is its volume group active (vgchange --activate y)?`,
        because,
      );
    }
    if (errno === "ENXIO" || errno === "ENODEV") throw stale(path, "there is no such device any more", error);
    if (errno === "EBUSY" && (flags & constants.O_EXCL) !== 0) {
      throw new LuksmithError(
        "DiskInUse",
        `${label} is mounted, or used by another device (dmsetup ls --tree shows mappings)`,
        because,
      );
    }
    throw ioError(error, `opening ${label}`, { path });
  }
}

async function uuidBehind(
  isBlockDevice: boolean,
  device: number,
  { group, name, path }: Pick<VolumePlace, "group" | "name" | "path">,
): Promise<string> {
  if (!isBlockDevice) throw stale(path, "it is no block device");
  const directory = `/sys/dev/block/${majorMinor(device)}/dm`;
  const read = (file: string): Promise<string> =>
    readFile(`${directory}/${file}`, "utf8").then(
      (text) => text.trim(),
      (error: unknown) => {
        throw stale(path, "its device is not of device-mapper", error);
      },
    );
  const kernelName = await read("name");
  if (kernelName !== mapperName(group, name)) throw stale(path, `its device is ${kernelName}`);
  // `LVM-`, the group's uuid, the volume's: 32 characters each.
  const match = /^LVM-\w{32}(\w{32})$/.exec(await read("uuid"));
  if (!match?.[1]) throw stale(path, "its device is no volume of LVM's");
  return match[1];
}

/** As /sys names a device; the numbers are packed as in makedev(3). */
export function majorMinor(device: number): string {
  const packed = BigInt(device);
  const major = ((packed >> 8n) & 0xfffn) | ((packed >> 32n) & 0xfffff000n);
  const minor = (packed & 0xffn) | ((packed >> 12n) & 0xffffff00n);
  return `${major}:${minor}`;
}

function stale(path: string, why: string, cause?: unknown): LuksmithError {
  return new LuksmithError(
    "DeviceNodeStale",
    `the device node ${path} is not its volume's: ${why}; nothing was touched, make the nodes anew with "vgscan --mknodes" (or "dmsetup mknodes")`,
    { details: { path }, ...(cause === undefined ? {} : { cause }) },
  );
}
