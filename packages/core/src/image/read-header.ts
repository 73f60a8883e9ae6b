import { type LuksHeader, parseHeader } from "@luksmith/luks";
import type { HeaderStore } from "./header-store.ts";
import type { OpContext } from "./op-context.ts";

/** Bytes of the LUKS partition header, rounded up to what every storage can read. */
const HEADER_BYTES = 4096;

/** @throws `LuksHeaderInvalid` and its kin */
export async function readHeader(store: HeaderStore, ctx: OpContext): Promise<LuksHeader> {
  return parseHeader(await store.read(0, HEADER_BYTES, ctx));
}
