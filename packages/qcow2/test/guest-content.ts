import { randomBytes } from "node:crypto";
import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { createSectorCipher, type LuksEngine, type SectorCipher, type VolumeKey } from "@luksmith/luks";
import { exportGuest, Qcow2File, Qcow2Writer } from "../src/index.ts";
import type { OurImage, Workspace } from "./workspace.ts";

export interface Part {
  start: bigint;
  length: bigint;
}

export const CANARY = "plaintext-canary-0123456789abcdef";

export const keyOf = ({ container }: OurImage): { volumeKey?: VolumeKey } =>
  container ? { volumeKey: container.volumeKey } : {};
export const cipherOf = ({ container }: OurImage): { cipher?: SectorCipher } =>
  container ? { cipher: createSectorCipher(container.volumeKey) } : {};

/** A source with data, zeros and holes, the canary in it now and then. */
export function source(space: Workspace, size: number): { path: string; data: Buffer } {
  const data = Buffer.alloc(size);
  for (let at = 0; at < size; at += 3 * 1024 * 1024) {
    randomBytes(Math.min(1_234_567, size - at)).copy(data, at);
  }
  if (size > 100_000) for (let at = 5000; at < size; at += 700_001) data.write(CANARY, at);
  const path = space.file();
  writeFileSync(path, data);
  return { path, data };
}

/** Puts parts of a source into an image, one call of the writer for each list of parts. */
export async function fill(
  space: Workspace,
  engine: LuksEngine,
  image: OurImage,
  path: string,
  ...calls: Part[][]
): Promise<void> {
  const from = await space.handle(path, "r");
  const writer = await Qcow2Writer.open(image.file, engine);
  for (const extents of calls)
    await writer.write({ from: { fd: from.fd, offset: 0n }, extents, ...keyOf(image) });
  await writer.finish();
}

/** What our own reader makes of an image, over `base` if it has one. */
export async function exported(
  space: Workspace,
  engine: LuksEngine,
  image: OurImage,
  base?: Buffer,
): Promise<Buffer> {
  const path = space.file();
  writeFileSync(path, "");
  truncateSync(path, Number(image.file.virtualSize));
  const to = await space.handle(path);
  const backing = async ({ start, length }: Part): Promise<void> => {
    const part = base?.subarray(Number(start), Number(start + length)) ?? new Uint8Array();
    await to.write(part, 0, part.length, Number(start));
  };
  await exportGuest(await Qcow2File.open(image.handle), {
    engine,
    to: { fd: to.fd, offset: 0n },
    zeros: "skip",
    ...keyOf(image),
    ...(base === undefined ? {} : { backing }),
  });
  return readFileSync(path);
}
