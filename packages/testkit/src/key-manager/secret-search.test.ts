import { inspect } from "node:util";
import { GeneratedPassphrase, LuksmithError, type Passphrase } from "@luksmith/core";
import { describe, expect, test } from "vitest";
import { findSecret } from "./secret-search.ts";

const bytesOf = (passphrase: Passphrase) => passphrase.use((bytes) => Buffer.from(bytes));

describe("findSecret", () => {
  test.each<[string, (secret: Buffer) => unknown]>([
    ["text", (secret) => `payload=${secret.toString()}`],
    ["a buffer", (secret) => Buffer.concat([Buffer.from("x"), secret])],
    [
      "a view into a larger buffer",
      (secret) => new Uint8Array(Buffer.concat([secret, Buffer.alloc(9)]).buffer),
    ],
    ["UTF-16", (secret) => Buffer.from(secret.toString(), "utf16le")],
    ["base64", (secret) => secret.toString("base64")],
    ["base64 of a longer text", (secret) => Buffer.from(`user:${secret.toString()}!`).toString("base64")],
    [
      "base64url of a longer text",
      (secret) => Buffer.from(`{"a":${secret.toString()}}`).toString("base64url"),
    ],
    ["hex", (secret) => secret.toString("hex").toUpperCase()],
    [
      "a printed array",
      (secret) => inspect(Uint8Array.from(secret), { maxArrayLength: null, breakLength: Infinity }),
    ],
    ["JSON of a buffer", (secret) => JSON.stringify(secret)],
    ["the decoded bytes", (secret) => Buffer.from(secret.toString(), "base64")],
    ["the decoded bytes in hex", (secret) => Buffer.from(secret.toString(), "base64").toString("hex")],
    ["a property", (secret) => ({ a: [{ b: secret.toString() }] })],
    ["a property's name", (secret) => ({ [secret.toString()]: 1 })],
    [
      "a hidden property",
      (secret) => Object.defineProperty({}, "hidden", { value: secret, enumerable: false }),
    ],
    ["a map", (secret) => new Map([["a", new Set([secret])]])],
    [
      "an error's cause",
      (secret) => new LuksmithError("IoError", "no", { cause: new Error(secret.toString()) }),
    ],
    ["an error's details", (secret) => new LuksmithError("IoError", "no", { details: { body: secret } })],
    ["toJSON", (secret) => ({ toJSON: () => ({ it: secret.toString() }) })],
    ["a custom inspection", (secret) => ({ [inspect.custom]: () => secret.toString() })],
  ])("finds it in %s", (_, evidence) => {
    using passphrase = GeneratedPassphrase.create();
    expect(findSecret(passphrase, evidence(bytesOf(passphrase)))).not.toEqual([]);
  });

  test("finds nothing where there is nothing", () => {
    using passphrase = GeneratedPassphrase.create();
    using other = GeneratedPassphrase.create();
    const circle: Record<string, unknown> = { passphrase };
    circle["circle"] = circle;
    expect(
      findSecret(passphrase, [bytesOf(other), passphrase, circle, null, undefined, 1n, new Error("no")]),
    ).toEqual([]);
  });
});
