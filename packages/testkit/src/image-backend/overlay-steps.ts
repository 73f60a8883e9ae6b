import type { BackingSource } from "@luksmith/core";
import { type BackendBench, type MadeDisk, MIB } from "./backend-bench.ts";
import { sourceImage } from "./bench-steps.ts";

export interface UsedOverlay extends MadeDisk {
  readonly base: BackingSource;
  /** What the guest sees. */
  readonly guest: Uint8Array;
}

/** An overlay on which the guest has written: over a part of the base, and behind it. */
export async function usedOverlay(bench: BackendBench): Promise<UsedOverlay> {
  await using image = await sourceImage(3 * MIB);
  const made = await bench.create({ kind: "image", image });
  const base = made.disk.backing;
  if (!base) throw new Error("a backend that declares overlays makes a disk of an image on a base");
  const { oracle } = bench.fixture;
  await oracle.write(made.image, made.passphrase, MIB, Buffer.alloc(4096, "changed"));
  await oracle.write(made.image, made.passphrase, 3 * MIB + 512, Buffer.alloc(512, "added"));
  return { ...made, base, guest: await oracle.read(made.image, made.passphrase) };
}
