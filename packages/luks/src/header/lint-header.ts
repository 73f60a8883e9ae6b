import { LuksError } from "../luks-error.ts";
import { parseCipherSpec, parseHashSpec } from "../crypto/cipher-spec.ts";
import { type LuksHeader, SECTOR } from "./luks-header.ts";

/** Something about a container that whoever runs it should know. */
export interface Finding {
  /** Stable, kebab-case. */
  code: string;
  severity: "info" | "warning" | "error";
  message: string;
}

/**
 * What is odd about a header that can be opened.
 *
 * @param containerBytes - size of the file or device, if it is known
 */
export function lintHeader(header: LuksHeader, containerBytes?: bigint): Finding[] {
  const findings: Finding[] = [];
  const report = (severity: Finding["severity"], code: string, message: string): void => {
    findings.push({ code, severity, message });
  };
  lintCipher(header, report);
  lintPayload(header, containerBytes, report);
  lintKeySlots(header, report);
  if (!/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/iu.test(header.uuid)) {
    report("warning", "uuid-malformed", "the uuid is not RFC 4122 text; blkid shows it verbatim");
  }
  return findings;
}

type Report = (severity: Finding["severity"], code: string, message: string) => void;

function lintCipher({ cipherName, cipherMode, hashSpec, keyBytes }: LuksHeader, report: Report): void {
  const names = `${cipherName} ${cipherMode} ${hashSpec}`;
  if (names !== names.toLowerCase()) {
    report("warning", "upper-case-name", "QEMU refuses cipher and hash names in upper case");
  }
  const mode = cipherMode.toLowerCase();
  if (/^xts-.*:/u.test(mode)) {
    report("warning", "iv-hash", `librbd refuses ${cipherMode}: xts-plain64 takes no hash`);
  }
  if (mode === "ecb")
    report("error", "ecb", "ECB shows which 16-byte blocks are equal: the data is not secret");
  if (mode.startsWith("cbc-plain")) {
    report("warning", "cbc-plain", "CBC with predictable vectors lets planted data be recognised");
  }
  if (/^(?:cbc|xts)-plain(?::|$)/u.test(mode)) {
    report("warning", "plain-32-bit", "plain vectors repeat after 2 TiB; plain64 does not");
  }
  if (hashSpec.toLowerCase() === "sha1")
    report("info", "sha1", "SHA-1 in PBKDF2 is not broken, but outdated");
  try {
    parseCipherSpec(cipherName, cipherMode, keyBytes);
    parseHashSpec(hashSpec);
  } catch (error) {
    if (!(error instanceof LuksError)) throw error;
    report("error", "cipher-unsupported", error.message);
  }
}

function lintPayload({ payloadOffset }: LuksHeader, bytes: bigint | undefined, report: Report): void {
  if (payloadOffset % 8 !== 0) {
    report(
      "warning",
      "payload-unaligned",
      "the payload is not 4 KiB aligned: dm-crypt refuses it on disks with 4096-byte sectors",
    );
  }
  if (payloadOffset < 4040) {
    report("info", "payload-low", "QEMU refuses a payload before sector 4040 when keys have 64 bytes");
  }
  if (bytes === undefined) return;
  const start = BigInt(payloadOffset) * BigInt(SECTOR);
  if (bytes < start) {
    report("error", "container-short", `the container has ${bytes} bytes, its payload starts at ${start}`);
  } else if (bytes === start) {
    report("info", "payload-empty", "the container ends where its payload starts");
  } else if (bytes % BigInt(SECTOR) !== 0n) {
    report("warning", "container-uneven", "the container ends within a sector");
  }
}

function lintKeySlots({ keySlots, digestIterations }: LuksHeader, report: Report): void {
  const active = [...keySlots.entries()].filter(([, slot]) => slot.active);
  if (active.length === 0)
    report("error", "no-key-slot", "no key slot is active: nothing opens this container");
  if (active.length > 1) {
    report(
      "info",
      "several-key-slots",
      `${active.length} key slots are active: ${active.map(([i]) => i).join(", ")}`,
    );
  }
  for (const [keySlot, { iterations }] of active) {
    if (iterations < 1000) {
      report(
        "warning",
        "few-iterations",
        `key slot ${keySlot} has ${iterations} iterations, fewer than 1000`,
      );
    }
  }
  if (digestIterations < 1000) {
    report("warning", "few-iterations", `the digest has ${digestIterations} iterations, fewer than 1000`);
  }
}
