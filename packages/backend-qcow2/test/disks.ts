import { createHash, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import type { GeneratedPassphrase, Image, ImageFile, ImagePolicy, SnapshotTarget } from "@luksmith/core";
import { BackendBench, type MadeDisk, RecordingRollback } from "@luksmith/testkit";
import {
  digestOf,
  qemuCheck,
  qemuDecrypt,
  qemuImgInfo,
  randomImage,
  runTool,
  tempDirectory,
} from "../../../testing/src/index.ts";
import { qcow2Fixture } from "./qcow2-fixture.ts";

export const MIB = 1024 * 1024;

export type Format = SnapshotTarget["format"];
export type BaseFormat = "raw" | "qcow2";

export function openBench(policy: Partial<ImagePolicy> = {}): Promise<BackendBench> {
  return BackendBench.open(qcow2Fixture, policy);
}

/** An image as the host's image service opens it. */
export async function openImage(
  path: string,
  format: BaseFormat = "raw",
  virtualSize?: number,
): Promise<ImageFile> {
  const file = await open(path, "r");
  const { size } = await file.stat({ bigint: true });
  const close = (): Promise<void> => file.close();
  const seen = virtualSize === undefined ? size : BigInt(virtualSize);
  return {
    id: randomUUID(),
    format,
    path,
    fd: file.fd,
    size,
    virtualSize: seen,
    [Symbol.asyncDispose]: close,
  };
}

/** Random bytes with canaries, in a raw image or a qcow2 of that cluster size. */
export async function sourceOf(
  format: BaseFormat,
  bytes: number,
  clusterSize = 65_536,
): Promise<{ readonly image: ImageFile; readonly digest: string }> {
  const directory = tempDirectory();
  const raw = join(directory, "raw");
  const digest = randomImage(raw, bytes);
  if (format === "raw") return { image: await openImage(raw), digest };
  const path = join(directory, "qcow2");
  const options = ["-f", "raw", "-O", "qcow2", "-c", "-o", `cluster_size=${clusterSize}`];
  await runTool("qemu-img", ["convert", ...options, raw, path]);
  return { image: await openImage(path, "qcow2", bytes), digest };
}

/** An encrypted overlay on a base of such a format. */
export async function overlay(
  bench: BackendBench,
  format: BaseFormat,
  options: { bytes?: number; virtualSize?: number; clusterSize?: number } = {},
): Promise<MadeDisk & { readonly base: string; readonly digest: string }> {
  const { bytes = 3 * MIB, virtualSize = 5 * MIB } = options;
  const { image, digest } = await sourceOf(format, bytes, options.clusterSize);
  await using file = image;
  const made = await bench.create({ kind: "image", image: file }, { virtualSize: BigInt(virtualSize) });
  return { ...made, base: made.image.source().backing?.file ?? "", digest };
}

/** What tells whether anybody wrote to a file. */
export function printOf(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

/** The guest's bytes as QEMU sees them, of an image that checks clean. */
export async function guestDigest(
  path: string,
  format: Format,
  passphrase?: GeneratedPassphrase,
  range: { offset?: number; length?: number } = {},
): Promise<string> {
  if (format === "qcow2") await qemuCheck({ path, format, passphrase });
  const plain = join(tempDirectory(), "plain");
  await qemuDecrypt({ path, format, passphrase }, plain);
  return await digestOf(plain, range);
}

export async function guestSize(image: Image, passphrase?: GeneratedPassphrase): Promise<number> {
  const disk = { path: image.path, format: "qcow2", passphrase } as const;
  await qemuCheck(disk);
  return (await qemuImgInfo(disk))["virtual-size"];
}

/** Copies a disk into a directory of its own; the path. */
export async function snapshot(
  bench: BackendBench,
  image: Image,
  format: Format,
  passphrase?: GeneratedPassphrase,
): Promise<string> {
  const path = join(tempDirectory(), "snapshot");
  const target = { path, format, uuid: randomUUID(), operation: randomUUID() };
  await image.snapshot(passphrase ? { ...target, passphrase } : target, new RecordingRollback(), bench.ctx);
  return path;
}
