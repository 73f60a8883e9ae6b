import { describe, expect, it } from "vitest";
import { codeOf } from "./fixtures/inspect-bytes.ts";
import { seed } from "./fixtures/seed.ts";

const flat = (content: string): (() => Buffer) => {
  return () => Buffer.from(`# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\n${content}`);
};

const CASES: [title: string, code: string, build: () => Buffer][] = [
  ["another file as its data", "VmdkExternalExtent", () => seed("vmdk-flat")],
  [
    "a system file as its data",
    "VmdkExtentPath",
    flat('createType="monolithicFlat"\nRW 99 FLAT "/etc/shadow" 0\n'),
  ],
  [
    "a system file, as QEMU would probe it",
    "VmdkExtentPath",
    () => Buffer.from('\n# x\nversion=2\ncreateType="vmfs"\nRW 9 VMFS "/dev/sda"\n'),
  ],
  [
    "text that only QEMU's probe takes for VMDK",
    "VmdkDescriptorInvalid",
    () => Buffer.from("# a\0b\nversion=1\n"),
  ],
  [
    "an extent line that is cut off",
    "VmdkDescriptorInvalid",
    flat('createType="monolithicFlat"\nRW 99 FLAT "x\n'),
  ],
  ["a descriptor file of 1 MiB", "VmdkDescriptorTooLarge", flat("#".repeat(1 << 20))],
];

describe("checkImage refuses a VMDK descriptor file with", () => {
  it.each(CASES)("%s: %s", async (_, code, build) => {
    expect(await codeOf(build(), "vmdk")).toBe(code);
  });

  it("a flat file even where its kind is allowed", async () => {
    const policy = { vmdkCreateTypes: ["monolithicFlat"] };
    expect(await codeOf(seed("vmdk-flat"), "vmdk", policy)).toBe("VmdkExternalExtent");
  });

  it("a kind that the host does not take, and any where it takes none", async () => {
    for (const vmdkCreateTypes of [["streamOptimized"], []]) {
      expect(await codeOf(seed("vmdk-sparse"), "vmdk", { vmdkCreateTypes })).toBe("VmdkCreateType");
    }
  });
});
