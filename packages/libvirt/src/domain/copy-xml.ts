import { LuksmithError } from "@luksmith/core";
import { layerElement, type LayerSource } from "../disk-source-xml.ts";
import type { Overlay } from "../libvirt-disks.ts";
import { writeXml, type XmlElement } from "../xml-element.ts";
import { type DomainDisk, domainDisks } from "./guest-disks.ts";

/**
 * The `<domainsnapshot>` that gives overlays to these disks and to no other: libvirt gives one to each disk that is not
 * mentioned, a plain one.
 * @throws `PlaintextCopyRefused`, `DiskNotFound`
 */
export function snapshotXml(domainXml: string, overlays: readonly Overlay[]): string {
  const disks = domainDisks(domainXml);
  for (const overlay of overlays) {
    refusePlain(diskNamed(disks, overlay.device), overlay.secretId, `its overlay ${overlay.file}`);
  }
  const content = disks.map(({ device }) => {
    const overlay = overlays.find((each) => each.device === device);
    return overlay ? overlayElement(overlay) : { name: "disk", attributes: { name: device, snapshot: "no" } };
  });
  return writeXml({ name: "domainsnapshot", content: [{ name: "disks", content }] });
}

/**
 * The `<disk>` that a copy goes to.
 * @throws `PlaintextCopyRefused`, `DiskNotFound`
 */
export function copyXml(domainXml: string, device: string, target: LayerSource): string {
  refusePlain(diskNamed(domainDisks(domainXml), device), target.secretId, "its copy");
  return writeXml({
    name: "disk",
    attributes: { type: target.type },
    content: [{ name: "driver", attributes: { type: target.format } }, layerElement(target)],
  });
}

function overlayElement({ device, file, secretId }: Overlay): XmlElement {
  const source = { type: "file", file, format: "qcow2" } as const;
  return {
    name: "disk",
    attributes: { name: device, snapshot: "external", type: "file" },
    content: [
      { name: "driver", attributes: { type: "qcow2" } },
      layerElement(secretId === undefined ? source : { ...source, secretId }),
    ],
  };
}

function diskNamed(disks: readonly DomainDisk[], device: string): DomainDisk {
  const found = disks.find((disk) => disk.device === device);
  if (found) return found;
  const names = disks.map((disk) => disk.device).join(", ");
  throw new LuksmithError("DiskNotFound", `the guest has no disk ${device}; it has ${names || "none"}`, {
    details: { disk: device },
  });
}

function refusePlain(disk: DomainDisk, secretId: string | undefined, what: string): void {
  if (!disk.encrypted || secretId !== undefined) return;
  throw new LuksmithError(
    "PlaintextCopyRefused",
    `disk ${disk.device} (${disk.source ?? "empty"}) is encrypted, but ${what} would be plain; name a secret for it`,
    { details: { disk: disk.device } },
  );
}
