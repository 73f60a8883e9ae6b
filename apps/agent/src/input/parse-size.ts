import { LuksmithError } from "@luksmith/core/host";

const POWERS: Readonly<Record<string, bigint>> = { K: 10n, M: 20n, G: 30n, T: 40n };
const SECTOR = 512n;

/**
 * Reads a disk size: bytes, or a whole number with K, M, G, T or KiB, MiB, GiB, TiB, all powers of 1024.
 * @throws `UsageError`
 */
export function parseSize(text: string): bigint {
  const match = /^(?<count>\d{1,16})(?:(?<unit>[KMGT])(?:iB)?)?$/i.exec(text);
  const { count, unit } = match?.groups ?? {};
  if (count === undefined) {
    throw new LuksmithError(
      "UsageError",
      `${text} is not a size; give bytes, or a whole number with K, M, G or T (or KiB, MiB, GiB, TiB), such as 20GiB`,
    );
  }
  const bytes = BigInt(count) << (POWERS[unit?.toUpperCase() ?? ""] ?? 0n);
  if (bytes === 0n || bytes % SECTOR !== 0n) {
    throw new LuksmithError("UsageError", `${text} is not a disk size; it must be a multiple of 512 bytes`);
  }
  return bytes;
}
