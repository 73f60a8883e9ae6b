import type { CopyEnd, LuksEngine } from "@luksmith/luks";
import { LuksmithError } from "../errors/luksmith-error.ts";
import type { DiskContent } from "./disk-content.ts";
import type { OpContext } from "./op-context.ts";

/**
 * Writes a disk's content: decrypted and encrypted in memory, chunk by chunk, as either side needs it.
 * @param to where byte 0 of the disk goes
 * @throws what `LuksEngine.copy` throws
 */
export async function copyContent(
  { fd, length, extents, zeros = [], decryption }: DiskContent,
  to: CopyEnd,
  step: string,
  luks: Pick<LuksEngine, "copy">,
  ctx: OpContext,
): Promise<void> {
  if (decryption && !to.volumeKey) {
    throw new LuksmithError("InternalError", `${step}: an encrypted image would become a plain disk`);
  }
  const blank = zeros.reduce((sum, extent) => sum + extent.length, 0n);
  const stored = extents.reduce((sum, extent) => sum + extent.length, 0n);
  const totalBytes = blank + stored;
  const report = (doneBytes: bigint): void => ctx.progress?.({ step, doneBytes, totalBytes });
  report(0n);
  const common = { to, length, signal: ctx.signal };
  if (stored > 0n) {
    const { offset = 0n, ...key } = decryption ?? {};
    await luks.copy({
      ...common,
      from: { fd, offset, ...key },
      extents,
      sparse: to.volumeKey === undefined,
      onProgress: report,
    });
  }
  // A plain disk is a new file, which reads as zero already.
  if (blank > 0n && to.volumeKey) {
    await luks.copy({
      ...common,
      from: "zero",
      extents: zeros,
      onProgress: (done) => report(stored + done),
    });
  }
}
