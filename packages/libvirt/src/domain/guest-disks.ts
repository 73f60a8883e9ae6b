import type { Element } from "@xmldom/xmldom";
import { attribute, child, children, parseRoot } from "../xml-document.ts";

/** A disk as a domain's XML has it. */
export interface DomainDisk {
  /** `vda` */
  readonly device: string;
  /** File, block device, or `POOL/IMAGE`; undefined for an empty drive. */
  readonly source: string | undefined;
  /** Whether its topmost layer is. */
  readonly encrypted: boolean;
  /** A copy or a merge of it has caught up. */
  readonly mirrored: boolean;
}

/** The disks of a domain, ours or not. */
export function domainDisks(domainXml: string): readonly DomainDisk[] {
  const devices = child(parseRoot(domainXml, "the domain", "domain"), "devices");
  return devices ? children(devices, "disk").map(diskOf) : [];
}

/** Where a `<disk>` is kept, whatever its type. */
export function sourceOf(disk: Element): string | undefined {
  const source = child(disk, "source");
  return attribute(source, "file") ?? attribute(source, "dev") ?? attribute(source, "name");
}

/** Encryption may also stand beside the source, in older definitions. */
function diskOf(disk: Element): DomainDisk {
  const encryption = child(child(disk, "source"), "encryption") ?? child(disk, "encryption");
  return {
    device: attribute(child(disk, "target"), "dev") ?? "",
    source: sourceOf(disk),
    encrypted: encryption !== undefined,
    mirrored: attribute(child(disk, "mirror"), "ready") === "yes",
  };
}
