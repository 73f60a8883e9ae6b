import { randomBytes } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { beginMessage, finishMessage, type Message, MessageSplitter, REMOTE_PROGRAM } from "./message.ts";
import { readRemoteError } from "./remote-error.ts";
import { domain, secret, writeDomain, writeSecret, writeTextParameters } from "./wire-types.ts";
import { XdrError, XdrReader } from "./xdr-reader.ts";
import { XdrWriter } from "./xdr-writer.ts";

const UUID = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";
const bytes = () => fc.uint8Array({ maxLength: 512, size: "max" });

const READERS: readonly ((reader: XdrReader) => unknown)[] = [
  (reader) => reader.string(),
  (reader) => reader.opaque(64),
  (reader) => reader.optional(domain),
  (reader) => reader.array(16_384, domain),
  (reader) => reader.array(16_384, secret),
  (reader) => reader.array(20, (each) => each.int()),
  (reader) => [reader.hyper(), reader.hyper(), reader.hyper()],
  readRemoteError,
];

/** Anything but `XdrError` is a mistake of ours. */
function refusesProperly(read: () => unknown): void {
  try {
    read();
  } catch (error) {
    if (!(error instanceof XdrError)) throw error;
  }
}

describe("what is written", () => {
  test("is read back, with the padding that XDR wants", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "binary" }),
        bytes(),
        fc.integer(),
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        (text, data, int, hyper) => {
          const writer = new XdrWriter()
            .int(int | 0)
            .string(text)
            .opaque(data)
            .hyper(hyper)
            .optionalString(undefined);
          const written = writer.done();
          expect(written.length % 4).toBe(0);
          const reader = new XdrReader(written);
          expect(reader.int()).toBe(int | 0);
          // A string that is no Unicode cannot be written as UTF-8.
          expect(reader.string()).toBe(text.toWellFormed());
          expect([...reader.opaque(1024)]).toEqual([...data]);
          expect(reader.hyper()).toBe(hyper);
          expect(reader.optional((each) => each.string())).toBeUndefined();
          expect(reader.left).toBe(0);
        },
      ),
    );
  });

  test("names domains and secrets by their uuid", () => {
    expect(domain(new XdrReader(writeDomain(new XdrWriter(), UUID).done()))).toMatchObject({
      uuid: UUID,
      id: -1,
    });
    expect(secret(new XdrReader(writeSecret(new XdrWriter(), UUID).done()))).toMatchObject({ uuid: UUID });
    expect(() => writeDomain(new XdrWriter(), "../etc")).toThrow(XdrError);
    const parameters = writeTextParameters(new XdrWriter(), [["migrate_uri", "tcp://h"]]).done();
    expect(parameters.length).toBe(4 + 4 + 12 + 4 + 4 + 8);
  });

  test("leaves no copy of itself behind when it grows", () => {
    const writer = new XdrWriter().string("small");
    const outgrown = writer.done();
    writer.fixed(randomBytes(4096));
    expect(outgrown.every((byte) => byte === 0)).toBe(true);
  });
});

describe("bytes of a stranger", () => {
  test("are read or refused, and never crash or hang", () => {
    const property = fc.property(bytes(), fc.nat({ max: READERS.length - 1 }), (data, which) =>
      refusesProperly(() => READERS[which]?.(new XdrReader(data))),
    );
    expect(() => fc.assert(property, { numRuns: 20_000 })).not.toThrow();
  });

  test("that claim long lists or strings cost nothing", () => {
    const claim = new XdrWriter().uint(0xffff_ffff).uint(0).done();
    for (const read of READERS.slice(0, 6)) expect(() => read(new XdrReader(claim))).toThrow(XdrError);
    const list = new XdrWriter().uint(16_000).done();
    expect(() => new XdrReader(list).array(16_384, domain)).toThrow(XdrError);
  });

  test("come as messages however they are cut, or are refused", () => {
    const property = fc.property(bytes(), fc.integer({ min: 1, max: 64 }), (data, step) =>
      refusesProperly(() => {
        const splitter = new MessageSplitter(256);
        for (let at = 0; at < data.length; at += step) {
          for (const message of splitter.push(data.subarray(at, at + step))) message.body.string();
        }
      }),
    );
    expect(() => fc.assert(property, { numRuns: 5000 })).not.toThrow();
  });
});

describe("MessageSplitter", () => {
  const message = (serial: number, text: string) =>
    finishMessage(beginMessage({ program: REMOTE_PROGRAM, procedure: 7, type: 1, serial }).string(text));

  test("gives the same messages, in order, however the stream is cut", () => {
    const stream = Buffer.concat([message(1, "one"), message(2, ""), message(3, "x".repeat(3000))]);
    for (const step of [1, 3, 27, 28, 29, 1000, stream.length]) {
      const splitter = new MessageSplitter();
      const found: Message[] = [];
      for (let at = 0; at < stream.length; at += step)
        found.push(...splitter.push(stream.subarray(at, at + step)));
      expect(found.map(({ serial, procedure, body }) => [serial, procedure, body.string().length])).toEqual([
        [1, 7, 3],
        [2, 7, 0],
        [3, 7, 3000],
      ]);
    }
  });

  test.each([0, 27, 33 * 1024 * 1024, 0xffff_ffff])(
    "refuses a length of %d before it waits for it",
    (length) => {
      const splitter = new MessageSplitter();
      expect(() => [...splitter.push(new XdrWriter().uint(length).done())]).toThrow(XdrError);
    },
  );
});
