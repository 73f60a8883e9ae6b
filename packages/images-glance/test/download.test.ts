import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FakeGlance, sendRange } from "./fake-glance.ts";
import { codeOf, glanceHost, namesIn, readImage, TOKEN, userContext } from "./glance-host.ts";

const MIB = 1024 * 1024;
let glance: FakeGlance;

beforeEach(async () => {
  glance = await FakeGlance.start();
});
afterEach(async () => {
  await glance[Symbol.asyncDispose]();
});

describe("a download", () => {
  test("has the image's bytes, is kept for us alone, and is not made twice", async () => {
    const { id, bytes } = glance.add(3 * MIB + 5);
    const { service, directory } = glanceHost([glance.url]);
    expect(await readImage(service, id)).toEqual(bytes);
    expect(await readImage(service, id)).toEqual(bytes);
    expect(glance.ranges).toEqual([undefined]);
    expect(glance.metadataRequests).toEqual([id, id]);
    expect(namesIn(directory)).toEqual([id, `${id}.json`]);
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    expect(statSync(join(directory, id)).mode & 0o777).toBe(0o600);
  });

  test("is used by another process's service, too", async () => {
    const { id, bytes } = glance.add(MIB);
    const { service, directory } = glanceHost([glance.url]);
    await readImage(service, id);
    const other = glanceHost([glance.url], { directory });
    expect(await readImage(other.service, id)).toEqual(bytes);
    expect(glance.ranges).toHaveLength(1);
  });

  test.each([
    ["md5", 32],
    ["sha1", 40],
    ["sha384", 96],
    ["sha256", 64],
    ["sha512", 128],
  ])("is verified with %s", async (algorithm, digits) => {
    const good = glance.add(MIB);
    const value = createHash(algorithm).update(good.bytes).digest("hex");
    Object.assign(good.metadata, { os_hash_algo: algorithm, os_hash_value: value });
    const { service, directory } = glanceHost([glance.url]);
    expect(await readImage(service, good.id)).toEqual(good.bytes);
    const bad = glance.add(MIB, { os_hash_algo: algorithm, os_hash_value: "0".repeat(digits) });
    expect(await codeOf(() => readImage(service, bad.id))).toBe("ImageCorrupt");
    expect(namesIn(directory)).toEqual([good.id, `${good.id}.json`]);
  });

  test("is verified with the MD5 checksum where that is all there is", async () => {
    const none = { os_hash_algo: null, os_hash_value: null };
    const good = glance.add(MIB, none);
    const bad = glance.add(MIB, { ...none, checksum: "0".repeat(32) });
    const { service } = glanceHost([glance.url]);
    expect(await readImage(service, good.id)).toEqual(good.bytes);
    expect(await codeOf(() => readImage(service, bad.id))).toBe("ImageCorrupt");
  });

  test("without any digest is refused, unless the configuration allows it", async () => {
    const none = { os_hash_algo: null, os_hash_value: null, checksum: null };
    const { id, bytes } = glance.add(MIB, none);
    const strict = glanceHost([glance.url]);
    expect(await codeOf(() => readImage(strict.service, id))).toBe("ImageUnacceptable");
    expect(glance.ranges).toEqual([]);
    const lax = glanceHost([glance.url], { allowMissingHash: true });
    const ctx = userContext();
    expect(await readImage(lax.service, id, ctx)).toEqual(bytes);
    expect(ctx.logged.filter(({ level }) => level === "warn")).toHaveLength(1);
    expect(await readImage(lax.service, id)).toEqual(bytes);
    expect(glance.ranges).toHaveLength(1);
  });

  test("shows its progress to all who wait for it", async () => {
    const { id } = glance.add(2 * MIB);
    const { service } = glanceHost([glance.url]);
    const seen = [new Set<bigint>(), new Set<bigint>()];
    await Promise.all(
      seen.map((done) =>
        readImage(service, id, userContext({ progress: ({ doneBytes }) => void done.add(doneBytes) })),
      ),
    );
    expect(glance.ranges).toHaveLength(1);
    for (const done of seen) expect(done.has(BigInt(2 * MIB))).toBe(true);
  });

  test("writes the token nowhere", async () => {
    const { id } = glance.add(MIB);
    const { id: bad } = glance.add(MIB, { os_hash_value: "0".repeat(128) });
    const { service, directory } = glanceHost([glance.url], { retries: 0 });
    const ctx = userContext();
    await readImage(service, id, ctx);
    const error: unknown = await readImage(service, bad, ctx).catch((thrown: unknown) => thrown);
    glance.rule = (_request, response) => Boolean(response.writeHead(500).end("no"));
    const broken: unknown = await readImage(service, glance.add(MIB).id, ctx).catch((e: unknown) => e);
    const { inspect } = await import("node:util");
    expect(inspect([ctx.logged, error, broken], { depth: 20, showHidden: true })).not.toContain(TOKEN);
    for (const name of readdirSync(directory, { recursive: true, withFileTypes: true })) {
      if (!name.isFile()) continue;
      expect(readFileSync(join(name.parentPath, name.name), "latin1")).not.toContain(TOKEN);
    }
  });
});

describe("a connection that is lost", () => {
  test("is made again from where it broke", async () => {
    const { id, bytes } = glance.add(4 * MIB);
    glance.rule = (request, response, nth) => {
      if (nth > 2) return false;
      sendRange(request, response, bytes, nth * MIB);
      return true;
    };
    const { service } = glanceHost([glance.url]);
    expect(await readImage(service, id)).toEqual(bytes);
    expect(glance.ranges).toHaveLength(3);
    expect(glance.ranges[0]).toBeUndefined();
    expect(glance.ranges[2]).toMatch(/^bytes=\d{6,}-$/);
  });

  test("begins anew at a server that knows no ranges", async () => {
    const { id, bytes } = glance.add(4 * MIB);
    glance.rule = (request, response, nth) => {
      delete request.headers.range;
      sendRange(request, response, bytes, nth === 1 ? MIB : bytes.length);
      return true;
    };
    const { service } = glanceHost([glance.url]);
    expect(await readImage(service, id)).toEqual(bytes);
    expect(glance.ranges).toHaveLength(2);
  });

  test("is not made again for ever by a server that always cuts at the same place", async () => {
    const { id, bytes } = glance.add(4 * MIB);
    glance.rule = (request, response) => {
      delete request.headers.range;
      sendRange(request, response, bytes, 2 * MIB);
      return true;
    };
    const { service } = glanceHost([glance.url], { retries: 2 });
    expect(await codeOf(() => readImage(service, id))).toBe("ImageServiceUnavailable");
    expect(glance.ranges).toHaveLength(3);
  });

  test("leaves what came, and the next open goes on with it", async () => {
    const { id, bytes } = glance.add(4 * MIB);
    glance.rule = (request, response) => {
      sendRange(request, response, bytes, 2 * MIB);
      return true;
    };
    const { service, directory } = glanceHost([glance.url], { retries: 0 });
    expect(await codeOf(() => readImage(service, id))).toBe("ImageServiceUnavailable");
    expect(namesIn(directory)).toEqual([expect.stringMatching(/\.part$/)]);
    glance.rule = () => false;
    expect(await readImage(service, id)).toEqual(bytes);
    expect(glance.ranges[1]).toMatch(/^bytes=\d+-$/);
    expect(namesIn(directory)).toEqual([id, `${id}.json`]);
  });

  test("that stays silent ends after the time-out", async () => {
    const { id, bytes } = glance.add(2 * MIB);
    glance.rule = (_request, response, nth) => {
      if (nth > 1) return false;
      response.writeHead(200, { "content-length": bytes.length });
      response.write(bytes.subarray(0, MIB));
      return true;
    };
    const { service } = glanceHost([glance.url], { timeoutMs: 300, retries: 50 });
    expect(await readImage(service, id)).toEqual(bytes);
    expect(glance.ranges.length).toBeGreaterThan(1);
  });

  test("goes on at the next server", async () => {
    await using second = await FakeGlance.start();
    const { id, bytes, metadata } = glance.add(2 * MIB);
    second.images.set(id, { bytes, metadata });
    glance.rule = (request, response) => {
      sendRange(request, response, bytes, MIB);
      return true;
    };
    const { service } = glanceHost([glance.url, second.url], { retries: 0 });
    expect(await readImage(service, id)).toEqual(bytes);
    expect(second.ranges).toHaveLength(1);
  });
});

describe("a server that answers wrongly", () => {
  test("with more bytes than the image has", async () => {
    const { id, bytes } = glance.add(MIB);
    glance.rule = (request, response) => {
      sendRange(request, response, Buffer.concat([bytes, Buffer.from("x")]));
      return true;
    };
    const { service, directory } = glanceHost([glance.url]);
    expect(await codeOf(() => readImage(service, id))).toBe("ImageCorrupt");
    expect(namesIn(directory)).toEqual([]);
  });

  test("with another range", async () => {
    const { id, bytes } = glance.add(2 * MIB);
    glance.rule = (request, response, nth) => {
      if (nth === 1) sendRange(request, response, bytes, MIB);
      else
        response
          .writeHead(206, { "content-range": `bytes 1-${bytes.length - 1}/${bytes.length}` })
          .end(bytes);
      return true;
    };
    const { service } = glanceHost([glance.url], { retries: 2 });
    expect(await codeOf(() => readImage(service, id))).toBe("ImageServiceUnavailable");
    expect(glance.ranges).toHaveLength(3);
  });

  test("with another image's metadata, or none that make sense", async () => {
    const { id } = glance.add(MIB);
    const answers = ["{}", "<html>", JSON.stringify(glance.add(MIB).metadata)];
    const { service } = glanceHost([glance.url], { retries: 0 });
    for (const answer of answers) {
      glance.metadataRule = (_request, response) => Boolean(response.writeHead(200).end(answer));
      expect(await codeOf(() => readImage(service, id))).toBe("ImageServiceUnavailable");
    }
    expect(glance.ranges).toEqual([]);
  });

  test.each([
    [401, "TokenRefused", 1],
    [403, "PermissionDenied", 1],
    [404, "ImageNotFound", 1],
    [418, "ServiceRefused", 1],
    [429, "ImageServiceUnavailable", 2],
    [500, "ImageServiceUnavailable", 2],
    [503, "ImageServiceUnavailable", 2],
  ])("status %s is %s", async (status, code, requests) => {
    const { id } = glance.add(MIB);
    glance.metadataRule = (_request, response) => Boolean(response.writeHead(status).end("<html>no</html>"));
    const { service, directory } = glanceHost([glance.url], { retries: 1 });
    expect(await codeOf(() => readImage(service, id))).toBe(code);
    expect(glance.metadataRequests).toHaveLength(requests);
    glance.metadataRule = () => false;
    glance.rule = (_request, response) => Boolean(response.writeHead(status).end("<html>no</html>"));
    expect(await codeOf(() => readImage(service, id))).toBe(code);
    expect(glance.ranges).toHaveLength(requests);
    expect(namesIn(directory).filter((name) => !name.endsWith(".part"))).toEqual([]);
  });

  test("the first of several servers is down", async () => {
    const { id, bytes } = glance.add(MIB);
    const { service } = glanceHost(["http://127.0.0.1:1", glance.url], { retries: 0 });
    expect(await readImage(service, id)).toEqual(bytes);
  });
});
