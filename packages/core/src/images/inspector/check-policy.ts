/** What a host accepts beyond what is safe everywhere. */
export interface InspectionPolicy {
  /** Names the image in messages: `image 6a1f…`. */
  readonly subject: string;
  /** Takes qcow2 with LUKS inside, and LUKS containers. The caller checks what they hold with `inspectInner`. */
  readonly allowEncrypted: boolean;
  /** VMDK create types, in VMware's spelling; Nova's `[compute] vmdk_allowed_types`. */
  readonly vmdkCreateTypes: readonly string[];
  /** Internal snapshots that a qcow2 image may carry. */
  readonly maxSnapshots: number;
  /** In bytes; larger disks are taken for damage or an attack. */
  readonly maxVirtualSize: bigint;
}

export const DEFAULT_POLICY: InspectionPolicy = {
  subject: "the image",
  allowEncrypted: false,
  vmdkCreateTypes: ["streamOptimized", "monolithicSparse"],
  maxSnapshots: 0,
  maxVirtualSize: 1024n ** 4n * 64n,
};
