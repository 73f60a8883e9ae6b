import type { PlacedDisk } from "@luksmith/core/host";

export const SECRET = "98ad07c8-e4fa-45c8-a0c4-6f631281827d";

/** An encrypted root disk in a raw file, with what a test wants to be different. */
export function placedDisk(changes: Partial<PlacedDisk> = {}): PlacedDisk {
  return {
    uuid: "15929a94-b134-4fc4-8119-1cd4e8b834cc",
    name: "disk",
    backend: "raw",
    path: "/instances/vm/disk",
    format: "raw",
    virtual_size: 1 << 30,
    encrypted: true,
    encryption_format: "luks",
    encryption_secret_uuid: SECRET,
    source: { type: "file", file: "/instances/vm/disk", format: "raw" },
    mapping: { bus: "virtio", dev: "vda", type: "disk" },
    ...changes,
  };
}

export function plainDisk(changes: Partial<PlacedDisk> = {}): PlacedDisk {
  return placedDisk({ encrypted: false, encryption_format: null, encryption_secret_uuid: null, ...changes });
}
