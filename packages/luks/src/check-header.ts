import { type Finding, lintHeader } from "./header/lint-header.ts";
import type { LuksHeader } from "./header/luks-header.ts";
import { parseHeader } from "./header/parse-header.ts";
import type { Passphrase } from "./passphrase.ts";
import { type Unlocked, unlock, type UnlockOptions } from "./unlock.ts";

/** A container that opens, and what is odd about it. */
export interface CheckedHeader extends Unlocked {
  header: LuksHeader;
  findings: Finding[];
}

/**
 * Proves that a passphrase opens a container, and lints its header.
 *
 * @param area - the start of the container, at least `activeAreaBytes` long
 * @returns the caller disposes its `volumeKey`
 * @throws LuksError whatever `unlock` throws
 */
export function checkHeader(
  area: Uint8Array,
  passphrase: Passphrase,
  options: UnlockOptions & { containerBytes?: bigint } = {},
): CheckedHeader {
  const header = parseHeader(area);
  return {
    header,
    findings: lintHeader(header, options.containerBytes),
    ...unlock(area, passphrase, options),
  };
}
