import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { call, FaultProxy, faults, type OpenStack, sharedOpenStack } from "@luksmith/testing-services";
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { codeOf, glanceHost, namesIn, readImage, userContext } from "./glance-host.ts";
import { startChild } from "./child.ts";

const MIB = 1024 * 1024;
vi.setConfig({ testTimeout: 120_000 });
let cloud: OpenStack;
let proxy: FaultProxy;
let token: string;
let image: { readonly id: string; readonly sha512: string; readonly bytes: Buffer };

const isData = ({ path }: { readonly path: string }): boolean => path.endsWith("/file");
const dataRequests = (): number => proxy.requests.filter(isData).length;

async function upload(
  bytes: Buffer<ArrayBuffer>,
  options: Parameters<OpenStack["uploadImage"]>[0] = {},
): Promise<typeof image> {
  const { id } = (await cloud.uploadImage({ bytes, ...options })) as { id: string };
  return { id, bytes, sha512: createHash("sha512").update(bytes).digest("hex") };
}

beforeAll(async () => {
  cloud = await sharedOpenStack();
  token = await cloud.issueToken("alice");
  image = await upload(randomBytes(8 * MIB));
}, 120_000);
beforeEach(async () => {
  proxy = await FaultProxy.start(cloud.urls.glance);
});
afterEach(async () => {
  await proxy[Symbol.asyncDispose]();
});

const alice = (): ReturnType<typeof userContext> => userContext({}, token);

describe("an image of the real Glance", () => {
  test("is downloaded once, but asked for each time", async () => {
    const { service } = glanceHost([proxy.url]);
    expect((await readImage(service, image.id, alice())).equals(image.bytes)).toBe(true);
    expect((await readImage(service, image.id, alice())).equals(image.bytes)).toBe(true);
    expect(proxy.requests.map(({ path }) => path)).toEqual([
      `/v2/images/${image.id}`,
      `/v2/images/${image.id}/file`,
      `/v2/images/${image.id}`,
    ]);
  });

  test("of another project is refused, also when its bytes are here", async () => {
    const { service } = glanceHost([proxy.url]);
    const mallory = userContext({}, await cloud.issueToken("mallory"));
    expect(await codeOf(() => readImage(service, image.id, mallory))).toBe("ImageNotFound");
    await readImage(service, image.id, alice());
    expect(await codeOf(() => readImage(service, image.id, mallory))).toBe("ImageNotFound");
    expect(dataRequests()).toBe(1);
  });

  test("is refused with a token that is expired or revoked", async () => {
    const { service } = glanceHost([proxy.url]);
    const expired = await cloud.issueToken("alice", { expiresInSeconds: -60 });
    expect(await codeOf(() => readImage(service, image.id, userContext({}, expired)))).toBe("TokenRefused");
    expect(await codeOf(() => readImage(service, image.id, userContext({}, "nonsense")))).toBe(
      "TokenRefused",
    );
    expect(dataRequests()).toBe(0);
  });

  test("is refused once it is deactivated, and once it is deleted", async () => {
    const other = await upload(randomBytes(MIB));
    const { service } = glanceHost([proxy.url]);
    await readImage(service, other.id, alice());
    const admin = await cloud.issueToken("admin");
    const url = `${cloud.urls.glance}/v2/images/${other.id}`;
    await call("POST", `${url}/actions/deactivate`, { token: admin });
    expect(await codeOf(() => readImage(service, other.id, alice()))).toBe("ImageNotActive");
    await call("POST", `${url}/actions/reactivate`, { token: admin });
    await readImage(service, other.id, alice());
    await call("DELETE", url, { token });
    expect(await codeOf(() => readImage(service, other.id, alice()))).toBe("ImageNotFound");
    expect(dataRequests()).toBe(1);
  });

  test("without data is not active", async () => {
    const { id } = (await cloud.uploadImage({})) as { id: string };
    const { service } = glanceHost([proxy.url]);
    expect(await codeOf(() => readImage(service, id, alice()))).toBe("ImageNotActive");
  });

  test("of another declared format is refused before any download", async () => {
    const { service } = glanceHost([proxy.url]);
    const declared = { id: image.id, disk_format: "qcow2" };
    expect(await codeOf(() => service.open(image.id, declared, alice()))).toBe("ImageFormatMismatch");
    expect(dataRequests()).toBe(0);
  });

  test("is downloaded once for twenty that ask at the same time, in two processes", async () => {
    const { service, directory } = glanceHost([proxy.url]);
    const ids = Array<string>(10).fill(image.id);
    const child = startChild({ servers: [proxy.url], directory, ids, retries: 0 }, token);
    const here = await Promise.all(ids.map((id) => readImage(service, id, alice())));
    expect(here.every((bytes) => bytes.equals(image.bytes))).toBe(true);
    expect((await child.outcome)?.results).toEqual(ids.map(() => image.sha512));
    expect(dataRequests()).toBe(1);
    expect(namesIn(directory)).toEqual([image.id, `${image.id}.json`]);
  });
});

describe("a download that goes wrong", () => {
  test("cut: goes on from there", async () => {
    proxy.next(faults.cut(3 * MIB + 17), isData);
    const { service } = glanceHost([proxy.url]);
    expect((await readImage(service, image.id, alice())).equals(image.bytes)).toBe(true);
    const [first, second] = proxy.requests.filter(isData);
    expect(first?.headerNames).not.toContain("range");
    expect(second?.headerNames).toContain("range");
    expect(dataRequests()).toBe(2);
  });

  test("corrupted: refused, and nothing is left", async () => {
    proxy.next(faults.corrupt(5 * MIB), isData);
    const { service, directory } = glanceHost([proxy.url]);
    expect(await codeOf(() => readImage(service, image.id, alice()))).toBe("ImageCorrupt");
    expect(namesIn(directory)).toEqual([]);
  });

  test.each([
    ["500", () => faults.status(500, "no")],
    ["HTML of a load balancer", () => faults.badGateway()],
    ["a closed connection", () => faults.dropBefore()],
    ["JSON that is none", () => faults.garbage()],
    ["silence", () => faults.hang()],
  ])("%s for the metadata: tried again, then away", async (_, fault) => {
    const { service } = glanceHost([proxy.url], { retries: 1, timeoutMs: 700 });
    proxy.on(fault);
    expect(await codeOf(() => readImage(service, image.id, alice()))).toBe("ImageServiceUnavailable");
    expect(proxy.count()).toBe(2);
  });

  test("one lost answer for the metadata is not noticed", async () => {
    proxy.next(faults.badGateway());
    const { service } = glanceHost([proxy.url]);
    expect((await readImage(service, image.id, alice())).equals(image.bytes)).toBe(true);
  });

  test("nobody listens: away", async () => {
    const { service } = glanceHost(["http://127.0.0.1:1"], { retries: 1 });
    expect(await codeOf(() => readImage(service, image.id, alice()))).toBe("ImageServiceUnavailable");
  });

  test("cancelled: nothing is left", async () => {
    proxy.next(faults.stall(3 * MIB), isData);
    const { service, directory } = glanceHost([proxy.url]);
    const stop = new AbortController();
    const came = Promise.withResolvers<void>();
    const ctx = userContext(
      {
        signal: stop.signal,
        progress: ({ doneBytes }) => {
          if (doneBytes >= 3n * BigInt(MIB) - 65_536n) came.resolve();
        },
      },
      token,
    );
    const opening = codeOf(() => readImage(service, image.id, ctx));
    await came.promise;
    expect(namesIn(directory)).toEqual([expect.stringMatching(/\.part$/)]);
    stop.abort(new Error("enough"));
    expect(await opening).toBe("Cancelled");
    expect(namesIn(directory)).toEqual([]);
  });

  test("killed in the middle: the next process goes on from there", async () => {
    proxy.next(faults.stall(6 * MIB), isData);
    const { service, directory } = glanceHost([proxy.url]);
    const scenario = { servers: [proxy.url], directory, ids: [image.id], retries: 0, readyAtBytes: 5 * MIB };
    const child = startChild(scenario, token);
    await child.ready;
    child.process.kill("SIGKILL");
    expect(await child.outcome).toBeUndefined();
    const [part = "", ...others] = namesIn(directory);
    expect(part).toMatch(/\.part$/);
    expect(others).toEqual([]);
    expect(readFileSync(join(directory, part)).length).toBeGreaterThanOrEqual(MIB);
    expect((await readImage(service, image.id, alice())).equals(image.bytes)).toBe(true);
    expect(proxy.requests.findLast(isData)?.headerNames).toContain("range");
    expect(dataRequests()).toBe(2);
    expect(namesIn(directory)).toEqual([image.id, `${image.id}.json`]);
  });
});
