/** Formats that Nova's API accepts. What this host can make is the image backend's to say. */
export type EncryptionFormat = "plain" | "luks" | "luksv2";

export const ENCRYPTION_FORMATS = ["plain", "luks", "luksv2"] as const satisfies readonly EncryptionFormat[];

export function isEncryptionFormat(value: unknown): value is EncryptionFormat {
  return ENCRYPTION_FORMATS.some((format) => format === value);
}
