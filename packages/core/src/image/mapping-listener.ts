import type { ImageDisk } from "./image-disk.ts";
import type { OpContext } from "./op-context.ts";

/** A device of this host shows a disk in clear from now on, or does not any more. */
export interface MappingChange {
  readonly disk: ImageDisk;
  /** `/dev/mapper/…` */
  readonly path: string;
  readonly open: boolean;
}

/**
 * Told of each such device: whoever reads it needs no key. After it was opened, and before anybody is told where it is;
 * after it was closed.
 * @throws `AuditLogUnwritable`: what was just opened must be closed again
 */
export type MappingListener = (change: MappingChange, ctx: OpContext) => Promise<void>;
