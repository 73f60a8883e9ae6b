import { GeneratedPassphrase, Passphrase, secretName } from "@luksmith/core";
import { describe, expect, test } from "vitest";
import { secretBody } from "./secret-text.ts";

const parse = (body: Uint8Array): unknown => JSON.parse(Buffer.from(body).toString());

describe("secretBody", () => {
  test("is what castellan sends for a passphrase", () => {
    using passphrase = GeneratedPassphrase.create();
    const name = secretName("9f5b0a7e-9a4b-4a0c-8d0e-5a1c6d1f0001", "9f5b0a7e-9a4b-4a0c-8d0e-5a1c6d1f0002");
    expect(parse(secretBody(name, passphrase))).toEqual({
      name,
      secret_type: "passphrase",
      payload: passphrase.use((bytes) => Buffer.from(bytes).toString()),
      payload_content_type: "text/plain",
    });
  });

  test.each([String.raw`a"b\c`, "!~", 'name "x"\\', "a b"])("keeps %j as payload and name", (text) => {
    using passphrase = new Passphrase(Buffer.from(text));
    expect(parse(secretBody(text, passphrase))).toMatchObject({ name: text, payload: text });
  });

  test("keeps names in other scripts", () => {
    using passphrase = GeneratedPassphrase.create();
    expect(parse(secretBody("diskö 磁盘 💾", passphrase))).toMatchObject({ name: "diskö 磁盘 💾" });
  });

  test.each([" a", "a ", "a\n", "\ta", "a\u0000b", "é", "a\u00a0", "a\u007fb"])(
    "refuses the passphrase %j, which would come back as another",
    (text) => {
      using passphrase = new Passphrase(Buffer.from(text));
      expect(() => secretBody("n", passphrase)).toThrow(
        expect.objectContaining({
          code: "InvalidRequest",
          details: expect.objectContaining({ maybeDone: false }),
        }),
      );
    },
  );

  test("refuses bytes that are no text, and does not show them", () => {
    using passphrase = new Passphrase(Buffer.from("c3ff28736563726574", "hex"));
    expect(() => secretBody("n", passphrase)).toThrow(expect.objectContaining({ code: "InvalidRequest" }));
    expect(() => secretBody("n", passphrase)).not.toThrow(/secret\)/);
  });

  test.each(["", " n", "n ", "a\u0000", "a\nb", "\ud800", "n".repeat(256)])("refuses the name %j", (name) => {
    using passphrase = GeneratedPassphrase.create();
    expect(() => secretBody(name, passphrase)).toThrow(expect.objectContaining({ code: "InvalidRequest" }));
  });
});
