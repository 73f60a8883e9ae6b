import {
  findInstance,
  type HostConfig,
  snapshotDisk,
  type SnapshotView,
  snapshotView,
} from "@luksmith/core/host";
import type { Action } from "./action.ts";
import { diskPath } from "./disk-actions.ts";

export interface SnapshotInput {
  readonly id: string;
  readonly disk: string;
  /** Absolute. */
  readonly target: string;
  readonly format?: "raw" | "qcow2";
  readonly plain: boolean;
}

export const snapshot: Action<SnapshotInput, SnapshotView> = {
  kind: "snapshot",
  request: ({ target, format, plain, ...of }) => ({
    method: "POST",
    path: diskPath(of, "snapshot"),
    body: { target, format, plain },
  }),
  run: async (host, { id, disk, target, plain, format = defaultFormat(host.config) }, ctx) => {
    const instance = await findInstance(host, id);
    return snapshotView(await snapshotDisk(host, instance, { disk, target, format, plain }, ctx));
  },
  again: (host, { operations }) => {
    const made = operations.map(({ subject }) => host.inventory.snapshot(subject)).find((each) => each);
    return made && snapshotView(made);
  },
};

/** Nova's other formats hold no LUKS container. */
function defaultFormat(config: HostConfig): "raw" | "qcow2" {
  return config.libvirt.snapshot_image_format === "qcow2" ? "qcow2" : "raw";
}
