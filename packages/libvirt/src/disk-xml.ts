import type { HostConfig, PlacedDisk } from "@luksmith/core/host";
import { cacheMode, ioMode } from "./cache-mode.ts";
import { encryptionElement, layerElement, type LayerPlace, sourceElement } from "./disk-source-xml.ts";
import { writeXml, type XmlElement } from "./xml-element.ts";

/** The host's choices; Nova's options of the same names. */
export interface DiskXmlOptions {
  /** `[libvirt] disk_cachemodes`: `file=none`, … */
  readonly diskCacheModes?: readonly string[];
  /** `[DEFAULT] preallocate_images`: files with all their space get native I/O. */
  readonly preallocate?: "none" | "space";
  /** `[libvirt] sparse_logical_volumes`: block devices that are thin get no native I/O. */
  readonly sparseLogicalVolumes?: boolean;
  /** `[libvirt] hw_disk_discard`; absent: libvirt's default. */
  readonly discard?: "ignore" | "unmap";
  /** Only the disk of a stable device rescue has one. */
  readonly bootOrder?: number;
  /** What the guest reads as the disk's serial number. Nova gives one to volumes only. */
  readonly serial?: string;
}

/** A disk with its place in the guest, on any storage. */
export type GuestDisk = PlacedDisk;

/** The options that a host's configuration comes to. */
export function diskXmlOptions(config: HostConfig): DiskXmlOptions {
  const discard = config.libvirt.hw_disk_discard;
  return {
    diskCacheModes: config.libvirt.disk_cachemodes,
    preallocate: config.DEFAULT.preallocate_images,
    sparseLogicalVolumes: config.libvirt.sparse_logical_volumes,
    ...(discard === undefined ? {} : { discard }),
  };
}

/**
 * A disk as an element of a libvirt domain, with what QEMU needs to decrypt it: the same elements that Nova writes for
 * a local disk, in the same order.
 */
export function diskXml(disk: GuestDisk, options: DiskXmlOptions = {}): string {
  return writeXml(diskElement(disk, options));
}

export function diskElement(disk: GuestDisk, options: DiskXmlOptions = {}): XmlElement {
  const { source, mapping } = disk;
  // Where the kernel decrypts, QEMU sees a block device like any other.
  const byKernel =
    disk.encryption_format === "plain" || (source.type === "block" && source.decryptedBy !== undefined);
  const encrypted = disk.encrypted && !byKernel ? [encryption(disk)] : [];
  const content = [
    driver(disk, options),
    sourceElement(limited(disk), encrypted),
    ...backingStore(disk),
    target(disk),
  ];
  if (options.serial !== undefined) content.push({ name: "serial", content: options.serial });
  if (options.bootOrder !== undefined) {
    content.push({ name: "boot", attributes: { order: String(options.bootOrder) } });
  }
  return { name: "disk", attributes: { type: source.type, device: mapping.type }, content };
}

/** A device that may be longer than the disk is given with the disk's size. */
function limited({ source, virtual_size: virtualSize }: GuestDisk): GuestDisk["source"] & LayerPlace {
  if (source.type !== "block" || source.dataOffset === undefined) return source;
  return { ...source, size: source.dataOffset + virtualSize };
}

function driver({ source }: GuestDisk, options: DiskXmlOptions): XmlElement {
  const cache = cacheMode(source.type, options.diskCacheModes ?? []);
  const { discard } = options;
  const io = ioMode(isAllocated(source, options), cache);
  return { name: "driver", attributes: { name: "qemu", type: source.format, cache, discard, io } };
}

function isAllocated({ type }: GuestDisk["source"], options: DiskXmlOptions): boolean {
  switch (type) {
    case "file":
      return options.preallocate === "space";
    case "block":
      return options.sparseLogicalVolumes !== true;
    case "network":
      return false;
  }
}

/**
 * What an overlay stands on, stated to its end: libvirt then probes nothing, and gives QEMU the secret of an encrypted
 * base, which it otherwise would not.
 */
function backingStore({ source }: GuestDisk): readonly XmlElement[] {
  const { backing } = source;
  if (!backing) return [];
  const { file, format, secretId } = backing;
  const base = layerElement({ type: "file", file, format, ...(secretId === undefined ? {} : { secretId }) });
  const content = [{ name: "format", attributes: { type: format } }, base, { name: "backingStore" }];
  return [{ name: "backingStore", attributes: { type: "file" }, content }];
}

/** A disk that is encrypted but cannot say by what must never reach libvirt as a plain one. */
function encryption(disk: GuestDisk): XmlElement {
  const { encryption_format: format, encryption_secret_uuid: secretId } = disk;
  if (format === null || secretId === null) {
    throw new Error(`disk ${disk.name} (${disk.uuid}) is encrypted, but its format or secret is not known`);
  }
  return encryptionElement(format, secretId, disk.source);
}

function target({ mapping }: GuestDisk): XmlElement {
  return { name: "target", attributes: { dev: mapping.dev, bus: mapping.bus } };
}
