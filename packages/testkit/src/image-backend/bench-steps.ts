import { randomFillSync, randomUUID } from "node:crypto";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  isLuksmithError,
  type AnyLuksmithError,
  type Image,
  type ImageFile,
  type Passphrase,
  unlock,
} from "@luksmith/core";
import { expect } from "vitest";
import type { BackendBench, MadeDisk } from "./backend-bench.ts";

/** Found on the storage only if something was written in clear. */
export const CANARY = Buffer.from("luksmith contract canary: never in clear");

/** Fails unless `act` throws a Luksmith error of that code, and of that category; returns it. */
export async function expectError(
  act: () => Promise<unknown>,
  code: string,
  category?: string,
): Promise<AnyLuksmithError> {
  const error = await act().then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!isLuksmithError(error)) {
    throw new Error(`must fail with ${code}, not with ${String(error)}`, { cause: error });
  }
  const wanted = category === undefined ? { code } : { code, category };
  expect(error).toMatchObject(wanted);
  return error;
}

/** Fails unless the storage holds the same things as when `act` began; returns what `act` gave. */
export async function expectUntouched<T>({ fixture }: BackendBench, act: () => Promise<T>): Promise<T> {
  const before = await fixture.contents();
  const result = await act();
  expect(await fixture.contents()).toEqual(before);
  return result;
}

/** A source image of random bytes, `length` long, with the canary in it; disposal removes it. */
export async function sourceImage(length: number): Promise<ImageFile & { readonly bytes: Buffer }> {
  const directory = await mkdtemp(join(tmpdir(), "luksmith-testkit-"));
  const path = join(directory, "image");
  const bytes = randomFillSync(Buffer.alloc(length));
  CANARY.copy(bytes, Math.floor(length / 3));
  const file = await open(path, "wx+", 0o600);
  await file.write(bytes);
  return {
    id: randomUUID(),
    format: "raw",
    path,
    fd: file.fd,
    size: BigInt(length),
    virtualSize: BigInt(length),
    bytes,
    [Symbol.asyncDispose]: async () => {
      await file.close();
      await rm(directory, { recursive: true });
    },
  };
}

/** The stored bytes from the LUKS header on. */
export function luksBytes({ fixture }: BackendBench, image: Image): Promise<Uint8Array> {
  return fixture.luksBytes?.(image) ?? fixture.rawBytes(image);
}

/** The volume key that a passphrase opens the stored header to, as hex: this suite's own reading of the storage. */
export async function volumeKeyOf(
  bench: BackendBench,
  made: MadeDisk,
  passphrase: Passphrase,
): Promise<string> {
  const { volumeKey } = unlock(await luksBytes(bench, made.image), passphrase);
  using key = volumeKey;
  return key.use((bytes) => Buffer.from(bytes).toString("hex"));
}

/** Whether bytes hold the needle; not compared by `expect`, which would print both. */
export function holds(bytes: Uint8Array, needle: Uint8Array): boolean {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes(Buffer.from(needle));
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
