import type { VerifiedAttestation } from "@luksmith/core/host";
import { formatBytes } from "./format-bytes.ts";
import { printable } from "./table.ts";

type Disk = VerifiedAttestation["statement"]["disks"][number];

/** A verified statement for people. */
export function describeAttestation({ statement, keyId, objections }: VerifiedAttestation): string {
  const { host, issued_at, nonce, disks, limits } = statement;
  const answers = nonce === null ? "no nonce" : `nonce ${printable(nonce)}`;
  const head = `the signature is right, by the key ${keyId}\nof ${printable(host.name)}, ${printable(issued_at)}, ${answers}\n`;
  const shown = disks.map((disk) => describeDisk(disk, objections[disk.uuid] ?? []));
  return `${head}${shown.join("")}what this does not exclude:\n${limits.map((each) => `  - ${printable(each)}\n`).join("")}`;
}

function describeDisk(disk: Disk, said: readonly string[]): string {
  const { name, instance, path, backend, virtual_size: size, header, sampling, base } = disk;
  const verdict = said.length === 0 ? "ok" : "NOT PROVEN";
  const lines = [`${name} of ${instance}, ${path} on ${backend}, ${formatBytes(size)}: ${verdict}`];
  for (const each of said) lines.push(`  against it: ${each}`);
  if (header) {
    const slots = header.key_slots
      .map(({ slot, iterations }) => `${slot} (${iterations} iterations)`)
      .join(", ");
    lines.push(`  header: ${header.cipher}, ${header.key_bits} bits, ${header.hash}, key slot ${slots}`);
  }
  for (const { name: check, result, message } of disk.checks) lines.push(`  ${result}  ${check}: ${message}`);
  if (base !== null) lines.push(`  stands on ${base}`);
  if (sampling) {
    const { places, not_stored: none, statistics, detects } = sampling;
    lines.push(
      `  looked at ${places} places, ${none} of them not stored; of ${statistics.sectors} sectors ${statistics.zero} are zero, ${statistics.low_entropy} are not noise; clear content in ${percent(detects.fraction)} of the disk is found with ${percent(detects.confidence)}`,
    );
  }
  return lines.map((line) => `${printable(line)}\n`).join("");
}

function percent(fraction: number): string {
  return `${Number((fraction * 100).toPrecision(2))}%`;
}
