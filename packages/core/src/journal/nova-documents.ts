import { type BlockDeviceInfo, localDevices } from "../disk/block-device-info.ts";
import type { DiskInfo, DiskMapping } from "../disk/disk-info.ts";
import type { ImageDisk } from "../image/image-disk.ts";

interface Documents {
  readonly blockDeviceInfo: BlockDeviceInfo;
  readonly diskInfo: DiskInfo;
}

/** Nova's documents of an instance, with the encryption of one of its disks as it is now. */
export function withEncryption(
  { blockDeviceInfo, diskInfo }: Documents,
  { uuid, name, encryption }: Pick<ImageDisk, "uuid" | "name" | "encryption">,
): Documents {
  const block = structuredClone(blockDeviceInfo);
  for (const device of localDevices(block)) {
    if (device.uuid !== uuid) continue;
    device.encrypted = encryption !== undefined;
    device.encryption_format = encryption?.format ?? null;
    device.encryption_secret_uuid = encryption?.secretId ?? null;
    device.encryption_options = encryption?.options ?? null;
  }
  // The root disk is there twice, by its own name and as `root`.
  const dev = diskInfo.mapping[name]?.dev;
  const mapping = Object.fromEntries(
    Object.entries(diskInfo.mapping).map(([key, each]) => {
      return [key, each.dev === dev ? encryptedAs(each, encryption) : each];
    }),
  );
  return { blockDeviceInfo: block, diskInfo: { ...diskInfo, mapping } };
}

function encryptedAs(mapping: DiskMapping, encryption: ImageDisk["encryption"]): DiskMapping {
  const {
    encrypted: _encrypted,
    encryption_secret_uuid: _secret,
    encryption_format: _format,
    encryption_options: _options,
    ...rest
  } = mapping;
  if (!encryption) return rest;
  const { format, secretId, options } = encryption;
  return {
    ...rest,
    encrypted: true,
    encryption_secret_uuid: secretId,
    encryption_format: format,
    ...(options ? { encryption_options: options } : {}),
  };
}
