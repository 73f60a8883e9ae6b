import { createHash } from "node:crypto";
import { read } from "node:fs";
import { promisify } from "node:util";
import { ioError } from "../errors/io-error.ts";
import { LuksmithError } from "../errors/luksmith-error.ts";
import { type OpContext, throwIfCancelled } from "../image/op-context.ts";
import type { ImageMetadata } from "./image-service.ts";

/** What Glance may be set to hash with; its default is sha512. */
const ALGORITHMS = ["md5", "sha1", "sha224", "sha256", "sha384", "sha512"] as const;

export type HashAlgorithm = (typeof ALGORITHMS)[number];

/** A digest that an image's bytes must have. */
export interface DeclaredHash {
  readonly algorithm: HashAlgorithm;
  /** Lower-case hex. */
  readonly value: string;
}

/** Small enough that hashing one does not hold up the event loop for a millisecond. */
const CHUNK_BYTES = 256 * 1024;

const readAt = promisify(read);

/**
 * The digest that is declared about an image; undefined: none is.
 * @throws `ImageUnacceptable` for half a declaration, an algorithm that is not known, or a value that is no digest of it
 */
export function declaredHash({ id, os_hash_algo, os_hash_value }: ImageMetadata): DeclaredHash | undefined {
  if (!os_hash_algo && !os_hash_value) return undefined;
  const [name, value] = [lowerCase(os_hash_algo), lowerCase(os_hash_value)];
  const algorithm = ALGORITHMS.find((known) => known === name);
  if (!algorithm) throw undeclared(id, `its os_hash_algo is none of ${ALGORITHMS.join(", ")}`);
  const digits = createHash(algorithm).digest("hex").length;
  if (value.length === digits && /^[0-9a-f]+$/.test(value)) return { algorithm, value };
  throw undeclared(id, `its os_hash_value is no ${algorithm} in hex`);
}

/** A file beside an image may declare anything. */
function lowerCase(text: unknown): string {
  return typeof text === "string" ? text.toLowerCase() : "";
}

function undeclared(id: string, why: string): LuksmithError {
  const what = `image ${id} cannot be checked: ${why}; declare both as Glance shows them, or neither`;
  return new LuksmithError("ImageUnacceptable", what, { details: { imageId: id } });
}

/**
 * Hashes a whole file, from an open descriptor, in chunks between which the event loop runs.
 * @param step shown as progress
 * @returns lower-case hex
 * @throws `Cancelled`, `IoError`
 */
export async function hashFile(
  { fd, size, step }: { readonly fd: number; readonly size: bigint; readonly step: string },
  algorithm: HashAlgorithm,
  ctx: OpContext,
): Promise<string> {
  const hash = createHash(algorithm);
  const buffers = [Buffer.alloc(CHUNK_BYTES), Buffer.alloc(CHUNK_BYTES)] as const;
  const next = async (turn: number, at: number): Promise<Buffer> => {
    const { bytesRead, buffer } = await readAt(fd, buffers[turn % 2 === 0 ? 0 : 1], 0, CHUNK_BYTES, at);
    return buffer.subarray(0, bytesRead);
  };
  try {
    let chunk = await next(0, 0);
    for (let turn = 1, done = 0; chunk.length > 0; turn++) {
      throwIfCancelled(ctx);
      done += chunk.length;
      const hashed = chunk;
      // Reads on while it hashes; whatever fails, no read is under way when this ends.
      const [following] = await Promise.all([
        next(turn, done),
        Promise.resolve().then(() => hash.update(hashed)),
      ]);
      ctx.progress?.({ step, doneBytes: BigInt(done), totalBytes: size });
      chunk = following;
    }
  } catch (error) {
    throw ioError(error, step);
  }
  return hash.digest("hex");
}

/**
 * @param actual lower-case hex
 * @throws `ImageUnacceptable`
 */
export function requireHash(imageId: string, declared: DeclaredHash, actual: string): void {
  if (actual === declared.value) return;
  throw new LuksmithError(
    "ImageUnacceptable",
    `image ${imageId} is not what is declared: its ${declared.algorithm} is ${actual} instead of ${declared.value}; fetch it again`,
    { details: { imageId, algorithm: declared.algorithm, declared: declared.value, actual } },
  );
}
