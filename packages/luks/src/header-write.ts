/** Bytes that belong at an offset of the container. Writes of a list reach the disk in order, with a sync between each. */
export interface HeaderWrite {
  /** Bytes from the start of the container. */
  offset: number;
  bytes: Uint8Array;
}
