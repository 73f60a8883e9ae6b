import type { DiskDocument, InstanceDocument } from "./disk-document.ts";
import { formatBytes } from "./format-bytes.ts";
import { printable } from "./table.ts";

/** An instance for people: each disk, its secret, then the XML for a domain. */
export function describeInstance(
  instance: Pick<InstanceDocument, "uuid" | "name" | "disks" | "pending">,
): string {
  const name = instance.name === null ? "" : ` (${printable(instance.name)})`;
  const pending = instance.pending === null ? "" : `, ${instance.pending} not finished`;
  const disks = instance.disks.map(describeDisk).join("");
  const xml = instance.disks.map((disk) => `${disk.xml}\n`).join("");
  return `instance ${instance.uuid}${name}${pending}\n${disks}\n${xml}`;
}

export function describeDisk(disk: DiskDocument): string {
  const lines = [
    `  ${disk.name}: ${disk.virtual_size} bytes (${formatBytes(disk.virtual_size)}), ${disk.format} on ${disk.backend}`,
    `    path    ${printable(disk.path)}`,
    `    uuid    ${disk.uuid}`,
    disk.encrypted
      ? `    secret  ${disk.encryption_secret_uuid} (${disk.encryption_format})`
      : "    secret  none: this disk is not encrypted",
  ];
  return `${lines.join("\n")}\n`;
}
