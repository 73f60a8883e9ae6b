import type { LuksEngine } from "@luksmith/luks";
import { isLuksmithError } from "../../errors/luksmith-error.ts";
import type { Image } from "../../image/image.ts";
import type { OpenBytes } from "../../image/open-bytes.ts";
import type { OpContext } from "../../image/op-context.ts";

/** Bytes that are read to know how fast it goes. */
const SAMPLE = 32n << 20n;
/** A copy reads, writes and then compares both sides; a sample is read and decrypted twice. */
const PASSES = 2;

/**
 * How long a copy takes, about, from reading a part of the disk twice. Writing is taken to be as fast as reading.
 * @param copied bytes that are there already
 */
export async function secondsFor(
  image: Image,
  luks: Pick<LuksEngine, "firstDifference">,
  copied: bigint,
  ctx: OpContext,
): Promise<number | undefined> {
  const length = image.disk.virtualSize;
  const sample = length < SAMPLE ? length : SAMPLE;
  await using bytes = await openUnlessMapped(image, ctx);
  if (!bytes) return undefined;
  const began = performance.now();
  await luks.firstDifference({
    from: bytes.end,
    to: bytes.end,
    length,
    extents: [{ start: 0n, length: sample }],
    signal: ctx.signal,
  });
  const secondsPerByte = (performance.now() - began) / 1000 / Number(sample);
  return Math.ceil(secondsPerByte * PASSES * Number(length - copied / 2n));
}

/** A mapping that nobody uses is closed by a migration, but not by a look. */
async function openUnlessMapped(image: Image, ctx: OpContext): Promise<OpenBytes | undefined> {
  try {
    return await image.openBytes("read", ctx);
  } catch (error) {
    if (isLuksmithError(error) && error.code === "DiskInUse") return undefined;
    throw error;
  }
}
