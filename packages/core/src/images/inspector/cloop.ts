import { Fields, hasBytes } from "./fields.ts";
import type { Match } from "./match.ts";
import type { Probe } from "./probe.ts";
import { refusal } from "./refusal.ts";

const COUNTS_AT = 128;

/**
 * Compressed loop images: a shell script that mounts itself.
 * Format: QEMU `block/cloop.c`.
 */
export async function inspectCloop({ head }: Probe): Promise<Match<"cloop", never> | undefined> {
  if (!hasBytes(head, 0, "#!/bin/sh\n#V2.0 Format\n")) return undefined;
  const message = "is a cloop image, a format that is not accepted; convert it to qcow2";
  return {
    format: "cloop",
    virtualSize: head.length >= COUNTS_AT + 8 ? diskBytes(new Fields(head, "big-endian")) : undefined,
    refusals: [refusal("CloopUnsupported", message)],
  };
}

function diskBytes(fields: Fields): bigint {
  return BigInt(fields.u32(COUNTS_AT)) * BigInt(fields.u32(COUNTS_AT + 4));
}
