import { randomFillSync } from "node:crypto";
import { eraseKeySlots, type HeaderWrite } from "@luksmith/luks";
import type { HeaderStore } from "./header-store.ts";
import type { OpContext } from "./op-context.ts";

const SECTOR = 512;

/**
 * Disables every key slot and overwrites the key material, synced once: a crash in between leaves a disk that still
 * opens or one that never will, and the caller carries the erasure on. A header that no longer parses is overwritten
 * whole: the caller has already proven that the disk is its own.
 * @param payloadOffset sectors
 */
export async function eraseHeader(store: HeaderStore, payloadOffset: number, ctx: OpContext): Promise<void> {
  const area = await store.read(0, payloadOffset * SECTOR, ctx);
  for (const write of erasure(area)) await store.write(write.offset, write.bytes, ctx);
  await store.sync(ctx);
}

function erasure(area: Uint8Array): readonly HeaderWrite[] {
  try {
    return eraseKeySlots(area);
  } catch {
    return [{ offset: 0, bytes: randomFillSync(new Uint8Array(area.length)) }];
  }
}
