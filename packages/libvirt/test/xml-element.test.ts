import { XMLParser } from "fast-xml-parser";
import { describe, expect, test } from "vitest";
import { diskXml, secretXml } from "../src/index.ts";
import { writeXml } from "../src/xml-element.ts";
import { placedDisk } from "./placed-disk.ts";

const parser = new XMLParser({ ignoreAttributes: false, attributeNamePrefix: "", htmlEntities: true });
const HOSTILE = "/in'st\"an<ces>/&amp;/]]>/<!--/ü/🙂/a  b";

describe("writeXml", () => {
  test("keeps hostile text what it is", () => {
    const source = { type: "file", file: HOSTILE, format: "raw" } as const;
    expect(parser.parse(diskXml(placedDisk({ source })))).toMatchObject({
      disk: { source: { file: HOSTILE }, target: { dev: "vda" } },
    });
    expect(parser.parse(writeXml({ name: "a", content: HOSTILE }))).toEqual({ a: HOSTILE });
  });

  test("writes white space in attributes as references, which parsers do not normalise", () => {
    expect(writeXml({ name: "a", attributes: { b: "1\n2\t3\r4" } })).toBe("<a b='1&#10;2&#9;3&#13;4'/>");
  });

  test("refuses what XML cannot hold instead of writing a broken document", () => {
    for (const text of ["\u0000", "\u001b[2J", "\ud800", "\uffff"]) {
      expect(() => writeXml({ name: "a", attributes: { b: text } })).toThrow(/cannot hold/);
    }
  });

  test("leaves undefined attributes out and indents children", () => {
    const inner = { name: "b", attributes: { c: undefined, d: "1" } };
    expect(writeXml({ name: "a", content: [inner, { name: "e", content: "f" }] })).toBe(
      "<a>\n  <b d='1'/>\n  <e>f</e>\n</a>",
    );
  });
});

test("secretXml defines a secret that stays in memory and that nobody can read back", () => {
  expect(secretXml({ uuid: "u", usage: "i_b" })).toBe(`<secret ephemeral='yes' private='yes'>
  <uuid>u</uuid>
  <usage type='volume'>
    <volume>i_b</volume>
  </usage>
</secret>`);
});
