export { type CheckedHeader, checkHeader } from "./check-header.ts";
export { createSectorCipher, type SectorCipher } from "./crypto/sector-cipher.ts";
export { type FormattedContainer, formatContainer } from "./format-container.ts";
export type { FormatRequest, KeySlotSecret } from "./format-request.ts";
export type { HeaderWrite } from "./header-write.ts";
export { type Finding, lintHeader } from "./header/lint-header.ts";
export {
  activeAreaBytes,
  HEADER_BYTES,
  type KeySlot,
  type LuksHeader,
  SECTOR,
} from "./header/luks-header.ts";
export { parseHeader } from "./header/parse-header.ts";
export { serializeHeader } from "./header/serialize-header.ts";
export { type AddKeySlotRequest, addKeySlot, eraseKeySlots, killKeySlot } from "./key-slots.ts";
export { benchmarkIterations, type StretchedIterations, stretchedIterations } from "./keys/iterations.ts";
export { type CipherNames, VolumeKey } from "./keys/volume-key.ts";
export { LUKS_ERROR_CODES, LuksError, type LuksErrorCategory, type LuksErrorCode } from "./luks-error.ts";
export { GeneratedPassphrase, Passphrase } from "./passphrase.ts";
export { type Unlocked, unlock, type UnlockOptions } from "./unlock.ts";
export type {
  CompareRequest,
  CopyEnd,
  CopyExtent,
  CopyRequest,
  FindDataRequest,
} from "./engine/copy-request.ts";
export { LuksEngine } from "./engine/luks-engine.ts";
