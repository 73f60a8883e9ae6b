import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { formatContainer } from "../format-container.ts";
import { GeneratedPassphrase } from "../passphrase.ts";
import { lintHeader } from "./lint-header.ts";
import type { KeySlot, LuksHeader } from "./luks-header.ts";

function sample(): LuksHeader {
  using passphrase = GeneratedPassphrase.create();
  const { header, volumeKey } = formatContainer({ uuid: randomUUID(), passphrase });
  volumeKey[Symbol.dispose]();
  return header;
}

const slots = (change: (slot: KeySlot, i: number) => Partial<KeySlot>): Partial<LuksHeader> => ({
  keySlots: sample().keySlots.map((slot, i) => Object.assign({}, slot, change(slot, i))),
});

describe("lintHeader", () => {
  it("finds nothing wrong with what this package writes", () => {
    expect(lintHeader(sample(), 3n * 1024n * 1024n)).toEqual([]);
  });

  const cases: [string, string, Partial<LuksHeader>, bigint?][] = [
    ["payload-unaligned", "warning", { payloadOffset: 4041 }],
    ["payload-low", "info", { payloadOffset: 4036 }],
    ["upper-case-name", "warning", { cipherName: "AES" }],
    ["upper-case-name", "warning", { hashSpec: "SHA256" }],
    ["iv-hash", "warning", { cipherMode: "xts-plain64:sha256" }],
    ["ecb", "error", { cipherMode: "ecb", keyBytes: 32 }],
    ["cbc-plain", "warning", { cipherMode: "cbc-plain64", keyBytes: 32 }],
    ["plain-32-bit", "warning", { cipherMode: "xts-plain" }],
    ["sha1", "info", { hashSpec: "sha1" }],
    ["cipher-unsupported", "error", { cipherName: "serpent" }],
    ["cipher-unsupported", "error", { hashSpec: "md5" }],
    ["few-iterations", "warning", { digestIterations: 999 }],
    ["few-iterations", "warning", slots(({ active }) => (active ? { iterations: 1 } : {}))],
    ["no-key-slot", "error", slots(() => ({ active: false }))],
    ["several-key-slots", "info", slots((_slot, i) => (i === 4 ? { active: true, iterations: 1000 } : {}))],
    ["uuid-malformed", "warning", { uuid: "" }],
    ["uuid-malformed", "warning", { uuid: "garbage" }],
    ["container-short", "error", {}, 2_097_151n],
    ["payload-empty", "info", {}, 2_097_152n],
    ["container-uneven", "warning", {}, 2_097_153n],
  ];

  it.each(cases)("reports %s as %s", (code, severity, change, containerBytes) => {
    const findings = lintHeader({ ...sample(), ...change }, containerBytes);
    expect(findings).toContainEqual({ code, severity, message: expect.any(String) });
  });
});
