import { mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FakeGlance, sendRange } from "./fake-glance.ts";
import { codeOf, glanceHost, namesIn, readImage } from "./glance-host.ts";

const MIB = 1024 * 1024;
let glance: FakeGlance;

beforeEach(async () => {
  glance = await FakeGlance.start();
});
afterEach(async () => {
  await glance[Symbol.asyncDispose]();
});

describe("what is here already", () => {
  test("is downloaded again when it was changed, and taken back when it was only touched", async () => {
    const { id, bytes } = glance.add(MIB);
    const { service, directory } = glanceHost([glance.url]);
    await readImage(service, id);
    const path = join(directory, id);
    writeFileSync(path, bytes);
    expect(await readImage(service, id)).toEqual(bytes);
    expect(glance.ranges).toHaveLength(1);
    writeFileSync(path, Buffer.concat([bytes.subarray(0, MIB - 1), Buffer.from("x")]));
    expect(await readImage(service, id)).toEqual(bytes);
    expect(glance.ranges).toHaveLength(2);
  });

  test("is downloaded again when Glance has other bytes", async () => {
    const { id } = glance.add(MIB);
    const other = glance.add(MIB);
    const { service, directory } = glanceHost([glance.url]);
    await readImage(service, id);
    glance.images.set(id, { bytes: other.bytes, metadata: { ...other.metadata, id } });
    expect(await readImage(service, id)).toEqual(other.bytes);
    expect(namesIn(directory)).toEqual([id, `${id}.json`]);
  });

  test.each(["", "{", "{}", "null"])("is read again when its sidecar is %j", async (sidecar) => {
    const { id, bytes } = glance.add(MIB);
    const { service, directory } = glanceHost([glance.url]);
    await readImage(service, id);
    writeFileSync(join(directory, `${id}.json`), sidecar);
    expect(await readImage(service, id)).toEqual(bytes);
    expect(glance.ranges).toHaveLength(1);
  });

  test("part of it, but not the right bytes: begins anew", async () => {
    const { id, bytes } = glance.add(2 * MIB);
    glance.rule = (request, response) => {
      sendRange(request, response, bytes, MIB);
      return true;
    };
    const { service, directory } = glanceHost([glance.url], { retries: 0 });
    await codeOf(() => readImage(service, id));
    const [part = ""] = namesIn(directory);
    const came = statSync(join(directory, part)).size;
    writeFileSync(join(directory, part), Buffer.alloc(came));
    glance.rule = () => false;
    expect(await readImage(service, id)).toEqual(bytes);
    expect(glance.ranges).toEqual([undefined, `bytes=${came}-`, undefined]);
  });
});

test("an image that cannot be vouched for does not stay", async () => {
  const { id } = glance.add(MIB);
  const { service, directory } = glanceHost([glance.url]);
  mkdirSync(directory, { mode: 0o700 });
  mkdirSync(join(directory, `${id}.json`));
  expect(await codeOf(() => readImage(service, id))).toBe("IoError");
  expect(glance.ranges).toHaveLength(1);
  expect(namesIn(directory)).toEqual([`${id}.json`]);
});
