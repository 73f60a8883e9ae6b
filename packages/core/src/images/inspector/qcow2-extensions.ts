import { Fields } from "./fields.ts";
import { printable } from "./printable.ts";
import type { Refusals } from "./refusal.ts";

/** Header extension types (`docs/interop/qcow2.txt`, "Header extensions"). */
const END = 0;
const BACKING_FORMAT = 0xe279_2aca;
const DATA_FILE = 0x4441_5441;
const CRYPTO = 0x0537_be77;
const BITMAPS = 0x2385_2875;

const MAX_EXTENSIONS = 64;
const CRYPTO_BYTES = 16;

export interface Qcow2Extensions {
  readonly backingFormat?: string;
  readonly dataFile?: string;
  readonly crypto?: { readonly offset: bigint; readonly length: bigint };
  readonly bitmaps?: number;
}

/**
 * Walks the header extensions.
 * @param area what is read of where extensions may stand
 * @param whole whether that is all: the area ends with the cluster, the file, or where the backing file's name starts
 */
export function readExtensions(
  area: Uint8Array,
  whole: boolean,
  start: number,
  refusals: Refusals,
): Qcow2Extensions {
  const fields = new Fields(area, "big-endian");
  const found: { -readonly [K in keyof Qcow2Extensions]: Qcow2Extensions[K] } = {};
  const limit = area.length;
  const seen = new Set<number>();
  let at = start;
  for (let count = 0; count < MAX_EXTENSIONS; count++) {
    // Extensions may fill the cluster: no end mark then.
    if (at === limit && whole) return found;
    if (at + 8 > limit) break;
    const type = fields.u32(at);
    const length = fields.u32(at + 4);
    const data = at + 8;
    if (data + length > limit || seen.has(type)) break;
    if (type === END) return found;
    seen.add(type);
    if (type === BACKING_FORMAT) found.backingFormat = printable(fields.latin1(data, length));
    if (type === DATA_FILE) found.dataFile = printable(fields.latin1(data, length));
    if (type === CRYPTO && length === CRYPTO_BYTES) {
      found.crypto = { offset: fields.u64(data), length: fields.u64(data + 8) };
    }
    if (type === BITMAPS && length >= 4) found.bitmaps = fields.u32(data);
    at = data + Math.ceil(length / 8) * 8;
  }
  const what = `has header extensions that do not end, repeat or overrun byte ${limit}`;
  refusals.add("Qcow2HeaderExtensions", what, { at, limit });
  return found;
}
