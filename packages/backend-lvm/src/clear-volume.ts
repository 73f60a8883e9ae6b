import { randomBytes } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { type ImageServices, type OpContext, VolumeKey } from "@luksmith/core";
import type { LvmSettings } from "./config.ts";
import type { Volume } from "./volume-group.ts";
import { writeZeros } from "./write-volume.ts";

/** As often as Nova's shred writes. */
const SHRED_PASSES = 3;
const NOISE = { cipherName: "aes", cipherMode: "xts-plain64" };

/**
 * Wipes a volume as `volume_clear` says, each pass durable before the next: zeros, or noise three times. What a thin volume
 * has never written must not take space for that: all of it is given back to the pool instead.
 */
export async function clearVolume(
  device: FileHandle,
  volume: Volume,
  settings: Pick<LvmSettings, "clear" | "clearBytes">,
  { luks, commands, policy }: Pick<ImageServices, "luks" | "commands" | "policy">,
  ctx: OpContext,
): Promise<void> {
  const { clear, clearBytes } = settings;
  if (clear === "none") return;
  const step = `clear ${volume.name}`;
  const wanted = BigInt(clearBytes);
  const length = wanted === 0n || wanted > volume.bytes ? volume.bytes : wanted;
  if (volume.thin) {
    const args = ["--length", String(length), "/dev/fd/3"];
    const timeoutMs = policy.commandTimeoutMs;
    await commands.run({ file: "blkdiscard", args, inheritFds: [device.fd], timeoutMs }, ctx);
    return;
  }
  if (clear === "zero") {
    await writeZeros(device, { start: 0n, length }, step, luks, ctx);
    await device.datasync();
    return;
  }
  for (let pass = 0; pass < SHRED_PASSES; pass++) {
    // Zeros under a key that nobody keeps are noise.
    using volumeKey = VolumeKey.take(randomBytes(64), NOISE);
    await luks.copy({
      from: "zero",
      to: { fd: device.fd, offset: 0n, volumeKey },
      length,
      signal: ctx.signal,
      onProgress: (doneBytes, totalBytes) => ctx.progress?.({ step, doneBytes, totalBytes }),
    });
    await device.datasync();
  }
}
