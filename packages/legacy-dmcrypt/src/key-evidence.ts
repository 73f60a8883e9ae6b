import { open } from "node:fs/promises";
import {
  createSectorCipher,
  ioError,
  type ImageServices,
  LuksmithError,
  type OpContext,
  type VolumeKey,
} from "@luksmith/core";
import { SIGNATURE_BYTES, signatureOf } from "./signature.ts";

/** A disk to look at. */
interface Looked {
  readonly label: string;
  /** The device with the ciphertext. */
  readonly path: string;
  /** The open mapping. */
  readonly mapping: string | undefined;
}

/**
 * What shows that a key is the right one for a disk that says nothing about it: an open mapping that shows the same bytes, or that
 * they look like what disks begin with. Undefined: nothing does.
 * @throws `DiskNotProven` where an open mapping shows other bytes
 */
export async function keyEvidence(
  { label, path, mapping }: Looked,
  key: VolumeKey,
  { commands, policy }: Pick<ImageServices, "commands" | "policy">,
  ctx: OpContext,
): Promise<string | undefined> {
  // What was read of the device before may be older than what went through the mapping.
  if (mapping !== undefined) {
    const args = ["--flushbufs", path];
    await commands.run({ file: "blockdev", args, timeoutMs: policy.commandTimeoutMs }, ctx);
  }
  const data = await readStart(path);
  createSectorCipher(key).decrypt(data, 0);
  const signature = signatureOf(data);
  const found = signature === undefined ? undefined : `it begins with ${signature}`;
  if (mapping === undefined) return found;
  const shown = await readStart(mapping);
  if (Buffer.compare(shown, data) === 0) return `${mapping} shows the same${found ? `: ${found}` : ""}`;
  throw new LuksmithError(
    "DiskNotProven",
    `${mapping} shows other bytes than the recorded key and hash make of ${label}: it was opened with another key, hash or cipher; nothing was touched`,
    { details: { path, mapping } },
  );
}

async function readStart(path: string): Promise<Uint8Array> {
  try {
    await using file = await open(path, "r");
    const data = new Uint8Array(SIGNATURE_BYTES);
    let done = 0;
    while (done < data.length) {
      const { bytesRead } = await file.read(data, done, data.length - done, done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return data.subarray(0, done - (done % 512));
  } catch (error) {
    throw ioError(error, `reading ${path}`, { path });
  }
}
