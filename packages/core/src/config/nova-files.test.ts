import { describe, expect, test } from "vitest";
import { parseConfig } from "./parse-config.ts";

const parse = (text: string) => parseConfig([{ file: "nova.conf", content: text }]);

describe("Nova's image and file system options", () => {
  test("vmdk_allowed_types is a list, and may be empty", () => {
    expect(parse("").compute.vmdk_allowed_types).toEqual(["streamOptimized", "monolithicSparse"]);
    expect(parse("[compute]\nvmdk_allowed_types =\n").compute.vmdk_allowed_types).toEqual([]);
    expect(parse("[compute]\nvmdk_allowed_types = monolithicSparse\n").compute.vmdk_allowed_types).toEqual([
      "monolithicSparse",
    ]);
  });

  test("virt_mkfs, of which Nova takes several lines, is said not to be run", () => {
    expect(parse("").warnings).toEqual([]);
    const { warnings } = parse(`[DEFAULT]
virt_mkfs = windows=mkfs.ntfs --fast --label %(fs_label)s %(target)s
virt_mkfs = default=mkfs.ext4 -O dir_index,extent -L %(fs_label)s -F %(target)s
`);
    expect(warnings.map(({ name, message }) => [name, message])).toEqual([
      ["virt_mkfs", expect.stringContaining("no command from here is run")],
    ]);
  });
});
