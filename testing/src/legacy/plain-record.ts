import { createHash, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import type { DiskEncryption, OpContext } from "@luksmith/core";
import { findInstance, type WritableHost } from "@luksmith/core/host";
import { tempDirectory } from "../temp-directory.ts";

/** Notes a plain disk that is there already as the root disk of an instance. */
export async function addPlainInstance(
  host: WritableHost,
  uuid: string,
  virtualSize: bigint,
  encryption: DiskEncryption,
  ctx: OpContext,
  diskUuid: string = randomUUID(),
): Promise<void> {
  const services = await host.services();
  const disk = { instanceUuid: uuid, name: "disk", uuid: diskUuid, virtualSize, encryption };
  const image = services.backend("lvm").image(disk);
  const identity = await image.identify(ctx);
  const createdAt = new Date().toISOString();
  const made = { backend: "lvm", path: image.path, source: image.source(), createdAt };
  const mapping = { bus: "virtio", dev: "vda", type: "disk" } as const;
  host.inventory.transaction(() =>
    host.inventory.addInstance({
      uuid,
      name: undefined,
      projectId: undefined,
      createdAt,
      diskInfo: { disk_bus: "virtio", cdrom_bus: "ide", mapping: { disk: mapping } },
      blockDeviceInfo: {
        root_device_name: null,
        image: [],
        ephemerals: [],
        swap: null,
        block_device_mapping: [],
      },
      disks: [{ ...disk, ...made, identity: identity ?? {} }],
    }),
  );
}

/** SHA-256 of what a guest would see of an instance's disks. */
export async function guestDigest(host: WritableHost, uuid: string, ctx: OpContext): Promise<string> {
  const services = await host.services();
  const { disks } = await findInstance(host, uuid);
  const target = join(tempDirectory(), "guest");
  await using to = await open(target, "wx+");
  let offset = 0n;
  for (const disk of disks) {
    await using bytes = await services.backend(disk.backend).image(disk).openBytes("read", ctx);
    await services.luks.copy({ from: bytes.end, to: { fd: to.fd, offset }, length: disk.virtualSize });
    offset += disk.virtualSize;
  }
  return createHash("sha256").update(readFileSync(target)).digest("hex");
}
