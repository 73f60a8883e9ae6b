import type { OpContext } from "../../image/op-context.ts";
import type { SectorCipher } from "@luksmith/luks";
import type { ByteSource } from "./byte-source.ts";
import { type AcceptedImage, checkImage } from "./check-image.ts";
import type { InspectionPolicy } from "./check-policy.ts";
import { inspectImage } from "./inspect-image.ts";

const SECTOR = 512n;

/**
 * Inspects what an encrypted image holds: it must be a plain disk, not a further image that a tool would follow once it
 * is decrypted. The caller has unlocked it.
 * @param decrypted the payload, for instance `luksPayload`
 * @throws what `inspectImage` and `checkImage` throw
 */
export async function inspectInner(
  decrypted: ByteSource,
  ctx: OpContext,
  options: Partial<InspectionPolicy> = {},
): Promise<AcceptedImage> {
  const subject = `the decrypted content of ${options.subject ?? "the image"}`;
  return checkImage(await inspectImage(decrypted, ctx), "raw", {
    ...options,
    allowEncrypted: false,
    subject,
  });
}

/** The plaintext of a LUKS container. */
export function luksPayload(container: ByteSource, payloadOffset: bigint, cipher: SectorCipher): ByteSource {
  const size = container.size > payloadOffset ? container.size - payloadOffset : 0n;
  return {
    size,
    async read(offset, length) {
      if (offset >= size) return new Uint8Array();
      const end = offset + BigInt(length) < size ? offset + BigInt(length) : size;
      const first = offset / SECTOR;
      const sectors = Number((end + SECTOR - 1n) / SECTOR - first);
      const stored = await container.read(payloadOffset + first * SECTOR, sectors * Number(SECTOR));
      // What is left of a last sector cannot be decrypted.
      const plain = new Uint8Array(stored.subarray(0, stored.length - (stored.length % Number(SECTOR))));
      cipher.decrypt(plain, Number(first));
      const start = Number(offset - first * SECTOR);
      return plain.subarray(start, start + Number(end - offset));
    },
  };
}
