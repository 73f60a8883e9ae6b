import { resolve } from "node:path";
import { findInstance, type HostConfig, snapshotDisk, snapshotView } from "@luksmith/core/host";
import { printable } from "../output/table.ts";
import type { Session } from "../session.ts";

export interface SnapshotOptions {
  readonly format?: "raw" | "qcow2";
  readonly plain?: boolean;
}

export async function snapshot(
  session: Session,
  id: string,
  disk: string,
  target: string,
  options: SnapshotOptions,
): Promise<void> {
  const ctx = await session.context();
  await using host = await session.write(ctx);
  const instance = await findInstance(host, id);
  const request = {
    disk,
    target: resolve(session.io.cwd, target),
    format: options.format ?? defaultFormat(host.config),
    plain: options.plain ?? false,
  };
  const made = snapshotView(await snapshotDisk(host, instance, request, ctx));
  await session.print(made, () => {
    const secret = made.encryption_secret_uuid;
    const how = secret === null ? "not encrypted" : `${made.encryption_format}, secret ${secret}`;
    return `snapshot ${made.uuid} of ${disk} of instance ${id}: ${printable(made.path)} (${made.format}, ${how})\n`;
  });
}

/** Nova's other formats hold no LUKS container. */
function defaultFormat(config: HostConfig): "raw" | "qcow2" {
  return config.libvirt.snapshot_image_format === "qcow2" ? "qcow2" : "raw";
}
