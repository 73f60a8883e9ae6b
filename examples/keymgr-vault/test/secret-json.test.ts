import { Passphrase } from "@luksmith/core";
import { describe, expect, test } from "vitest";
import { jsonWithSecret, takeString } from "../src/secret-json.ts";

const PATH = ["data", "data", "passphrase"];

function take(text: string): { found: string | undefined; rest: string } {
  const bytes = Uint8Array.from(Buffer.from(text));
  const found = takeString(bytes, PATH);
  return { found: found && Buffer.from(found).toString(), rest: Buffer.from(bytes).toString() };
}

describe("takeString", () => {
  test.each([
    [
      "as Vault prints it",
      '{"request_id":"x","data":{"data":{"passphrase":"abc+/="},"metadata":{}}}',
      "abc+/=",
    ],
    ["with blanks", ' { "data" :\n{ "data" : { "passphrase" : "abc" } } }', "abc"],
    [
      "after others",
      '{"a":[1,{"data":"no"},"]}"],"b":-1.5e3,"c":null,"data":{"x":true,"data":{"y":"\\"}","passphrase":"abc"}}}',
      "abc",
    ],
    ["escaped", '{"data":{"data":{"passphrase":"a\\"b\\\\c\\/\\u0026"}}}', 'a"b\\c/&'],
  ])("finds it %s, and leaves the rest", (_, text, expected) => {
    const { found, rest } = take(text);
    expect(found).toBe(expected);
    expect(rest).not.toContain("abc");
    const parsed = JSON.parse(rest) as { data: { data: { passphrase: string } } };
    expect(parsed.data.data.passphrase).toMatch(/^x+$/);
  });

  test.each([
    "{}",
    "[]",
    '"x"',
    "1 ",
    '{"data":null}',
    '{"data":{"data":{"passphrase":1}}}',
    '{"data":{"data":{"other":"x"}}}',
  ])("finds nothing in %s", (text) => {
    expect(take(text)).toEqual({ found: undefined, rest: text });
  });

  test.each([
    "",
    "{",
    '{"data"',
    '{"data":{"data":{"passphrase":"abc',
    '{"data":{"data":{"passphrase":"a\\',
    '{"a":[',
    "{x}",
  ])("throws for %j", (text) => {
    expect(() => take(text)).toThrow(SyntaxError);
  });

  test("agrees with JSON.parse for every printable character", () => {
    const all = Buffer.from(Array.from({ length: 95 }, (_, index) => 0x20 + index));
    using passphrase = new Passphrase(all);
    const json = jsonWithSecret('{"data":{"data":{"passphrase":', passphrase, "}}}");
    const parsed = JSON.parse(Buffer.from(json).toString()) as { data: { data: { passphrase: string } } };
    expect(parsed.data.data.passphrase).toBe(all.toString());
    expect(take(Buffer.from(json).toString()).found).toBe(all.toString());
  });

  test("refuses what JSON might change", () => {
    for (const bytes of [[0x1f], [0x7f], [0xc3, 0xbc]]) {
      using passphrase = new Passphrase(Uint8Array.from(bytes));
      expect(() => jsonWithSecret("{", passphrase, "}")).toThrow(/printable ASCII/);
    }
  });
});
