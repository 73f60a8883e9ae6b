import { secretUsage } from "../secret-xml.ts";

const UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
const DISK_USAGE = new RegExp(`^(${UUID})_(${UUID})$`);
const BASE_USAGE = new RegExp(`^luksmith-base_(${UUID})$`);

/** What a secret of ours is for. */
export type SecretUse =
  | { readonly kind: "disk"; readonly instanceUuid: string; readonly diskUuid: string }
  /** An encrypted base keeps the secret of the image it was made of; overlays of many guests stand on it. */
  | { readonly kind: "base"; readonly secretUuid: string };

/** libvirt's usage id; Nova's for a disk. One usage has one secret, and one secret has one usage. */
export function usageOf(use: SecretUse): string {
  return use.kind === "disk"
    ? secretUsage(use.instanceUuid, use.diskUuid)
    : `luksmith-base_${use.secretUuid}`;
}

/** Undefined for what others use. */
export function parseUsage(usage: string): SecretUse | undefined {
  const [, instanceUuid, diskUuid] = DISK_USAGE.exec(usage) ?? [];
  if (instanceUuid !== undefined && diskUuid !== undefined) return { kind: "disk", instanceUuid, diskUuid };
  const [, secretUuid] = BASE_USAGE.exec(usage) ?? [];
  return secretUuid === undefined ? undefined : { kind: "base", secretUuid };
}
