import type { AttestedHeader, DiskAttestation } from "./attest-disk.ts";
import { notNoise } from "./sample-statistics.ts";

/** What Luksmith makes, and nothing else. */
const EXPECTED = { cipher: "aes-xts-plain64", hash: "sha256", key_bits: 512 } as const;
/** The specification's least. */
const LEAST_ITERATIONS = 1000;
/** What must have been looked at with success of a disk with a header. */
const REQUIRED = ["size", "header", "passphrase", "wrong-passphrase"];

/**
 * What speaks against a disk, for people; empty: nothing. From the facts alone, so that who verifies a statement need not believe the
 * verdict of whoever made it.
 */
export function objections(disk: DiskAttestation): readonly string[] {
  if (disk.encryption_format === null) return ["it is not encrypted"];
  const said: string[] = [];
  for (const { name, result, message } of disk.checks)
    if (result === "fail") said.push(`${name}: ${message}`);
  if (disk.encryption_format === "plain") {
    said.push("dm-crypt's plain mode has no header: nothing shows which key opens it, nor refuses another");
  } else {
    // A warning is not what these may end with.
    const judged = new Set(disk.checks.flatMap(({ name, result }) => (result === "warn" ? [] : [name])));
    const missing = REQUIRED.filter((name) => !judged.has(name));
    if (missing.length > 0) said.push(`it was not looked at: ${missing.join(", ")}`);
    said.push(...(disk.header ? headerObjections(disk, disk.header) : ["its header could not be read"]));
  }
  if (disk.sampling) said.push(...notNoise(disk.sampling.statistics));
  else said.push(`its storage could not be read: ${disk.unread ?? "no reason is given"}`);
  return said;
}

function headerObjections({ uuid }: DiskAttestation, header: AttestedHeader): readonly string[] {
  const said: string[] = [];
  for (const [what, value] of Object.entries(EXPECTED)) {
    const found = header[what as keyof typeof EXPECTED];
    if (found !== value) said.push(`its header says ${what} ${found}, not ${value}`);
  }
  if (header.uuid !== uuid) said.push(`its header is that of ${header.uuid}`);
  const slots = header.key_slots.length;
  if (slots !== 1) said.push(`${slots} key slots open it, not one`);
  if (header.key_slots.some(({ iterations }) => iterations < LEAST_ITERATIONS))
    said.push(`a key slot has fewer than ${LEAST_ITERATIONS} iterations`);
  return said;
}
