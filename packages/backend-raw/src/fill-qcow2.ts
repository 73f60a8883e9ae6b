import type { CopyEnd, ImageServices, NewFile, ProgressListener, SnapshotTarget } from "@luksmith/core";
import { type MadeImage, makeImage, Qcow2Writer } from "@luksmith/qcow2";

/** A copy to make. */
export interface Qcow2Copy {
  /** Where the guest's first byte is read from. Its key must not be disposed before the copy has settled. */
  readonly from: CopyEnd;
  /** Bytes that the guest sees. */
  readonly length: bigint;
  /** For the listener. */
  readonly step: string;
  readonly signal: AbortSignal;
  readonly progress: ProgressListener | undefined;
}

/** Makes an empty file an empty image, encrypted with a volume key of its own, or plain when the target has no passphrase. */
export function makeQcow2(
  file: NewFile,
  { passphrase, uuid }: SnapshotTarget,
  virtualSize: bigint,
  { luks, policy }: Pick<ImageServices, "luks" | "policy">,
): Promise<MadeImage> {
  const encryption = passphrase && { uuid, passphrase, iterations: policy.pbkdfIterations };
  return makeImage(file.handle, luks, { virtualSize, ...(encryption ? { encryption } : {}) });
}

/**
 * Writes a disk into an empty file as a qcow2 image, encrypted with a volume key of its own, or plain when the target has
 * no passphrase. What the guest reads as zero takes no room. What nobody ever wrote into an encrypted disk reads as noise
 * and is copied as that: the guest sees the same bytes, and noise cannot be told from data.
 */
export async function fillQcow2(
  file: NewFile,
  target: SnapshotTarget,
  { from, length, step, signal, progress }: Qcow2Copy,
  services: Pick<ImageServices, "luks" | "policy">,
): Promise<void> {
  const { luks } = services;
  const report = (doneBytes: bigint, totalBytes: bigint): void => progress?.({ step, doneBytes, totalBytes });
  report(0n, length);
  using made = await makeQcow2(file, target, length, services);
  const { image, volumeKey } = made;
  const writer = await Qcow2Writer.open(image, luks);
  const extents = [{ start: 0n, length }];
  await writer.write({ from, extents, signal, onProgress: report, ...(volumeKey ? { volumeKey } : {}) });
  await writer.finish();
}
