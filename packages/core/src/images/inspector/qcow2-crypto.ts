import { activeAreaBytes, HEADER_BYTES, type LuksHeader, parseHeader } from "@luksmith/luks";
import type { Probe } from "./probe.ts";
import type { Qcow2Extensions } from "./qcow2-extensions.ts";
import type { Qcow2Header } from "./qcow2-header.ts";
import type { Refusals } from "./refusal.ts";

const NONE = 0;
const AES = 1;
const LUKS = 2;

/** How an image is encrypted; `header` is absent when it cannot be read. */
export interface Qcow2Encryption {
  readonly method: "aes" | "luks" | "unknown";
  readonly header?: LuksHeader;
}

/**
 * Checks crypt_method and the LUKS header that extension 0x0537be77 points at, iteration cap included.
 * Format: QEMU `docs/interop/qcow2.txt`, "Full disk encryption header pointer".
 */
export async function checkCrypto(
  header: Qcow2Header,
  { crypto }: Qcow2Extensions,
  probe: Probe,
  refusals: Refusals,
): Promise<Qcow2Encryption | undefined> {
  const { cryptMethod } = header;
  if (cryptMethod === AES) {
    const what = "uses qcow2's own AES encryption, which is broken; convert it to LUKS or to plain qcow2";
    refusals.add("Qcow2AesEncryption", what);
  } else if (cryptMethod > LUKS) {
    refusals.add("Qcow2CryptMethod", `has the unknown crypt_method ${cryptMethod}`, { cryptMethod });
  }
  if ((cryptMethod === LUKS) !== (crypto !== undefined)) {
    const what = crypto ? "has an encryption header but is not encrypted" : "lacks its encryption header";
    refusals.add("Qcow2CryptoHeader", what, { cryptMethod });
  }
  if (cryptMethod === NONE) return undefined;
  if (cryptMethod !== LUKS) return { method: cryptMethod === AES ? "aes" : "unknown" };
  const luks = crypto && (await readLuks(header, crypto, probe, refusals));
  return { method: "luks", ...(luks ? { header: luks } : {}) };
}

async function readLuks(
  header: Qcow2Header,
  { offset, length }: { offset: bigint; length: bigint },
  probe: Probe,
  refusals: Refusals,
): Promise<LuksHeader | undefined> {
  const cluster = 1n << BigInt(header.clusterBits);
  const details = { offset: String(offset), length: String(length) };
  if (offset === 0n || offset % cluster !== 0n || length < BigInt(HEADER_BYTES)) {
    refusals.add("Qcow2CryptoHeader", "has an encryption header that is misplaced or too short", details);
    return undefined;
  }
  if (offset + length > probe.size) {
    refusals.addTruncated("encryption header", offset + length, probe.size);
    return undefined;
  }
  try {
    const luks = parseHeader(await probe.read(offset, HEADER_BYTES));
    refusals.addUnknownCipher(luks);
    if (BigInt(activeAreaBytes(luks)) > length) {
      refusals.add("Qcow2CryptoHeader", "has key slots outside its encryption header", details);
    }
    return luks;
  } catch (error) {
    refusals.addLuksError(error);
    return undefined;
  }
}
