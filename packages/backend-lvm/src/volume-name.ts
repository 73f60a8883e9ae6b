import type { ImageDisk } from "@luksmith/core";

/** Nova's name of a disk's volume: `<instance uuid>_<disk name>`, an underscore in either written twice. */
export function volumeName({ instanceUuid, name }: Pick<ImageDisk, "instanceUuid" | "name">): string {
  return `${escape(instanceUuid)}_${escape(name)}`;
}

function escape(text: string): string {
  return text.replaceAll("_", "__");
}

/** The kernel's name of a volume: `group-volume`, a hyphen in either written twice. */
export function mapperName(group: string, volume: string): string {
  return [group, volume].map((name) => name.replaceAll("-", "--")).join("-");
}
