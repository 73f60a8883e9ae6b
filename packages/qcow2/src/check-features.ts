import { CRYPT, INCOMPATIBLE } from "./layout.ts";
import { Qcow2Error } from "./qcow2-error.ts";

const unsupported = (reason: string, message: string, details: Record<string, unknown> = {}): Qcow2Error =>
  new Qcow2Error("Qcow2Unsupported", reason, message, details);

/** Why an image with one of these bits is not read here. */
const REFUSED: readonly (readonly [bit: bigint, reason: string, message: string])[] = [
  [INCOMPATIBLE.dirty, "dirty", 'this image was not closed properly; repair it with "qemu-img check -r all"'],
  [INCOMPATIBLE.corrupt, "corrupt", "this image is marked as corrupt"],
  [INCOMPATIBLE.dataFile, "data-file", "this image keeps its data in another file"],
  [INCOMPATIBLE.extendedL2, "extended-l2", "this image has extended L2 entries"],
];

/**
 * Checks that nothing about an image needs what this code does not know.
 *
 * @param compression - the compression type, 0 where the header does not reach that far
 * @throws Qcow2Error `Qcow2Unsupported`, `Qcow2HeaderInvalid`
 */
export function checkFeatures(method: number, incompatible: bigint, compression: number): "none" | "luks" {
  for (const [bit, reason, message] of REFUSED) {
    if ((incompatible & bit) !== 0n) throw unsupported(reason, message);
  }
  const unknown = incompatible & ~INCOMPATIBLE.compressionType;
  if (unknown !== 0n) {
    throw unsupported(
      "feature",
      `this image uses features that are unknown here: 0x${unknown.toString(16)}`,
      {
        bits: `0x${unknown.toString(16)}`,
      },
    );
  }
  if ((incompatible !== 0n) !== (compression !== 0)) {
    throw new Qcow2Error("Qcow2HeaderInvalid", "compression", "compression type and feature bit disagree");
  }
  if (compression > 1) throw unsupported("compression", `compression type ${compression} is unknown`);
  if (method === CRYPT.none) return "none";
  if (method === CRYPT.luks) return "luks";
  throw unsupported("encryption", `encryption method ${method} is not LUKS`, { method });
}
