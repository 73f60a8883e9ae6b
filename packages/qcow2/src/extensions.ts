import { EXTENSION } from "./layout.ts";
import type { Extension, HostRange } from "./header.ts";
import { Qcow2Error } from "./qcow2-error.ts";

const KNOWN: ReadonlySet<number> = new Set([EXTENSION.backingFormat, EXTENSION.crypto, EXTENSION.dataFile]);

const invalid = (reason: string, message: string, details: Record<string, unknown> = {}): Qcow2Error =>
  new Qcow2Error("Qcow2HeaderInvalid", reason, message, details);

/**
 * Reads the header extensions ("Header extensions").
 *
 * @param area - the bytes between the header and the backing file's name, or the end of the first cluster
 * @throws Qcow2Error `Qcow2HeaderInvalid` for one that does not fit, or a known one that stands there twice
 */
export function parseExtensions(area: Uint8Array): Extension[] {
  const view = new DataView(area.buffer, area.byteOffset, area.byteLength);
  const extensions: Extension[] = [];
  for (let at = 0; at + 8 <= area.length;) {
    const type = view.getUint32(at);
    const length = view.getUint32(at + 4);
    if (type === EXTENSION.end) break;
    if (length > area.length - at - 8) {
      throw invalid("extension-length", `a header extension of ${length} bytes does not fit the header`, {
        type,
      });
    }
    if (KNOWN.has(type) && extensions.some((other) => other.type === type)) {
      throw invalid("extension-twice", `header extension 0x${type.toString(16)} stands there twice`, {
        type,
      });
    }
    extensions.push({ type, data: area.slice(at + 8, at + 8 + length) });
    at += 8 + Math.ceil(length / 8) * 8;
  }
  return extensions;
}

/** The extensions and their end marker as bytes, each padded to a multiple of eight. */
export function serializeExtensions(extensions: readonly Extension[]): Uint8Array {
  const padded = extensions.map(({ data }) => Math.ceil(data.length / 8) * 8);
  const bytes = new Uint8Array(padded.reduce((sum, length) => sum + 8 + length, 8));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [i, { type, data }] of extensions.entries()) {
    view.setUint32(at, type);
    view.setUint32(at + 4, data.length);
    bytes.set(data, at + 8);
    at += 8 + (padded[i] ?? 0);
  }
  return bytes;
}

/** The "Full disk encryption header pointer". */
export function cryptoExtension({ offset, length }: HostRange): Extension {
  const data = new Uint8Array(16);
  const view = new DataView(data.buffer);
  view.setBigUint64(0, BigInt(offset));
  view.setBigUint64(8, BigInt(length));
  return { type: EXTENSION.crypto, data };
}

export function backingFormatExtension(format: string): Extension {
  return { type: EXTENSION.backingFormat, data: new TextEncoder().encode(format) };
}
