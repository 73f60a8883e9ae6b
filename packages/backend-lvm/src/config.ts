import * as z from "zod";

/** What `images_volume_group` and a thin pool may be called: by LVM's rules, and never an option. */
const lvmName = z
  .string()
  .regex(/^[a-zA-Z0-9+_.][a-zA-Z0-9+_.-]*$/, "must be a name of LVM's: letters, digits and + _ . -");

/** What this backend takes from nova.conf and from its own section; other options pass. */
export const LvmConfig = z
  .object({
    sections: z.object({
      libvirt: z.object({
        images_volume_group: z.string({ error: "must be set: the volume group of the disks" }).pipe(lvmName),
        sparse_logical_volumes: z.boolean().default(false),
        volume_clear: z.enum(["zero", "shred", "none"]).default("zero"),
        volume_clear_size: z.number().int().min(0).default(0),
      }),
      luksmith: z.object({ decryption: z.enum(["qemu", "dm-crypt"]).default("qemu") }).prefault({}),
      "luksmith:backend-lvm": z.strictObject({ thin_pool: lvmName.optional() }).optional(),
    }),
  })
  .transform(({ sections: { libvirt, luksmith, "luksmith:backend-lvm": own } }): LvmSettings => ({
    volumeGroup: libvirt.images_volume_group,
    thin: libvirt.sparse_logical_volumes,
    ...(own?.thin_pool === undefined ? {} : { thinPool: own.thin_pool }),
    clear: libvirt.volume_clear,
    clearBytes: libvirt.volume_clear_size * 1024 * 1024,
    decryption: luksmith.decryption,
  }));

/** Where volumes are, and how they go. */
export interface LvmSettings {
  readonly volumeGroup: string;
  /** Nova's `sparse_logical_volumes`: volumes take space in a thin pool as they are written. */
  readonly thin: boolean;
  /** Absent: the only one of the group. */
  readonly thinPool?: string;
  /** Nova's `volume_clear`. */
  readonly clear: "zero" | "shred" | "none";
  /** Bytes from the start; 0: all. */
  readonly clearBytes: number;
  /** What decrypts for guests that Luksmith runs. Absent: QEMU. */
  readonly decryption?: "qemu" | "dm-crypt";
}
