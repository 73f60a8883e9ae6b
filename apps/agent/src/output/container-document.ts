import type { ContainerReport } from "@luksmith/core/host";
import { SECTOR } from "@luksmith/luks";

type Finding = ContainerReport["findings"][number];

export interface KeySlotDocument {
  readonly slot: number;
  readonly active: boolean;
  readonly iterations: number;
  readonly stripes: number;
  /** Sectors of 512 bytes from the start of the container. */
  readonly offset_sectors: number;
  readonly offset_bytes: number;
  readonly length_sectors: number;
  readonly salt: string;
}

/** What `inspect --json` prints. A header has no secret in it; the digest and salts are in hexadecimal. */
export interface ContainerDocument {
  readonly path: string;
  readonly container_bytes: number | null;
  readonly version: 1;
  readonly uuid: string;
  readonly cipher: string;
  readonly hash: string;
  readonly key_bits: number;
  readonly digest: { readonly iterations: number; readonly salt: string; readonly value: string };
  readonly payload: {
    readonly offset_sectors: number;
    readonly offset_bytes: number;
    /** Null where the container's size is not known. */
    readonly bytes: number | null;
  };
  readonly key_slots: readonly KeySlotDocument[];
  readonly findings: readonly Finding[];
}

export function containerDocument({
  path,
  containerBytes,
  header,
  findings,
}: ContainerReport): ContainerDocument {
  const { version, uuid, cipherName, cipherMode, hashSpec, keyBytes, payloadOffset } = header;
  const offsetBytes = payloadOffset * SECTOR;
  const bytes = containerBytes === undefined ? null : Number(containerBytes);
  return {
    path,
    container_bytes: bytes,
    version,
    uuid,
    cipher: `${cipherName}-${cipherMode}`,
    hash: hashSpec,
    key_bits: keyBytes * 8,
    digest: { iterations: header.digestIterations, salt: hex(header.digestSalt), value: hex(header.digest) },
    payload: {
      offset_sectors: payloadOffset,
      offset_bytes: offsetBytes,
      bytes: bytes === null ? null : Math.max(0, bytes - offsetBytes),
    },
    key_slots: header.keySlots.map(({ active, iterations, stripes, keyMaterialOffset, salt }, slot) => ({
      slot,
      active,
      iterations,
      stripes,
      offset_sectors: keyMaterialOffset,
      offset_bytes: keyMaterialOffset * SECTOR,
      length_sectors: Math.ceil((keyBytes * stripes) / SECTOR),
      salt: hex(salt),
    })),
    findings,
  };
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
