import type { HostConfig, PlacedDisk } from "@luksmith/core/host";
import { cacheMode, ioMode } from "./cache-mode.ts";
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
}

/** The options that a host's configuration comes to. */
export function diskXmlOptions(config: HostConfig): DiskXmlOptions {
  return {
    diskCacheModes: config.libvirt.disk_cachemodes,
    preallocate: config.DEFAULT.preallocate_images,
    sparseLogicalVolumes: config.libvirt.sparse_logical_volumes,
  };
}

/**
 * A disk as an element of a libvirt domain, with what QEMU needs to decrypt it: the same elements that Nova writes for
 * a local disk, in the same order.
 */
export function diskXml(disk: PlacedDisk, options: DiskXmlOptions = {}): string {
  const { source, mapping } = disk;
  const content = [driver(disk, options), sourceElement(disk), ...backingStore(disk), target(disk)];
  if (options.bootOrder !== undefined) {
    content.push({ name: "boot", attributes: { order: String(options.bootOrder) } });
  }
  return writeXml({ name: "disk", attributes: { type: source.type, device: mapping.type }, content });
}

function driver({ source }: PlacedDisk, options: DiskXmlOptions): XmlElement {
  const cache = cacheMode(source.type, options.diskCacheModes ?? []);
  const allocated =
    source.type === "file" ? options.preallocate === "space" : options.sparseLogicalVolumes !== true;
  const io = ioMode(allocated, cache);
  const { discard } = options;
  return { name: "driver", attributes: { name: "qemu", type: source.format, cache, discard, io } };
}

/** The encryption is the source's, not the disk's: that is what migration and backing chains need. */
function sourceElement(disk: PlacedDisk): XmlElement {
  const { source } = disk;
  const attributes = source.type === "file" ? { file: source.file } : { dev: source.dev };
  return { name: "source", attributes, content: disk.encrypted ? [encryption(disk)] : [] };
}

/**
 * What an overlay stands on, stated to its end: libvirt then probes nothing, and gives QEMU the secret of an encrypted
 * base, which it otherwise would not.
 */
function backingStore({ source }: PlacedDisk): readonly XmlElement[] {
  const { backing } = source;
  if (!backing) return [];
  const format = { name: "format", attributes: { type: backing.format } };
  const secret = backing.secretId === undefined ? [] : [luksEncryption("luks", backing.secretId)];
  const base = { name: "source", attributes: { file: backing.file }, content: secret };
  return [
    { name: "backingStore", attributes: { type: "file" }, content: [format, base, { name: "backingStore" }] },
  ];
}

/** A disk that is encrypted but cannot say by what must never reach libvirt as a plain one. */
function encryption(disk: PlacedDisk): XmlElement {
  const { encryption_format: format, encryption_secret_uuid: uuid } = disk;
  if (format === null || uuid === null) {
    throw new Error(`disk ${disk.name} (${disk.uuid}) is encrypted, but its format or secret is not known`);
  }
  return luksEncryption(format, uuid);
}

function luksEncryption(format: string, uuid: string): XmlElement {
  const secret = { name: "secret", attributes: { type: "passphrase", uuid } };
  return { name: "encryption", attributes: { format }, content: [secret] };
}

function target({ mapping }: PlacedDisk): XmlElement {
  return { name: "target", attributes: { dev: mapping.dev, bus: mapping.bus } };
}
