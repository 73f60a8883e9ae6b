import type { ImageDisk } from "@luksmith/core";

/** Nova's name of a disk's volume: `<instance uuid>_<disk name>`, an underscore in either written twice. */
export function volumeName({ instanceUuid, name }: Pick<ImageDisk, "instanceUuid" | "name">): string {
  return `${escape(instanceUuid)}_${escape(name)}`;
}

/** The disk whose volume has this name; undefined: it is no name of a disk. */
export function diskOfVolume(volume: string): Pick<ImageDisk, "instanceUuid" | "name"> | undefined {
  const [, instanceUuid, rest] =
    /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})_(disk.*)$/u.exec(volume) ?? [];
  if (instanceUuid === undefined || rest === undefined) return undefined;
  const name = rest.replaceAll("__", "_");
  return volumeName({ instanceUuid, name }) === volume ? { instanceUuid, name } : undefined;
}

function escape(text: string): string {
  return text.replaceAll("_", "__");
}

/** The kernel's name of a volume: `group-volume`, a hyphen in either written twice. */
export function mapperName(group: string, volume: string): string {
  return [group, volume].map((name) => name.replaceAll("-", "--")).join("-");
}
