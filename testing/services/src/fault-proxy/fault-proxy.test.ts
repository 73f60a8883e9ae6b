import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FaultProxy } from "./fault-proxy.ts";
import * as faults from "./faults.ts";

/** A server that counts, and answers with 100000 bytes "a" or with what it was sent. */
let server: http.Server;
let served: string[];
let proxy: FaultProxy;
beforeEach(async () => {
  served = [];
  server = http.createServer(async (request, response) => {
    const body = await text(request);
    served.push(`${request.method} ${request.url}`);
    response.writeHead(request.method === "POST" ? 201 : 200, { "x-from": "server" });
    response.end(request.method === "POST" ? body : "a".repeat(100_000));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  proxy = await FaultProxy.start(targetUrl());
});
afterEach(async () => {
  await proxy[Symbol.asyncDispose]();
  server.closeAllConnections();
  server.close();
});

function targetUrl(): string {
  // A server that listens on a port has such an address.
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test("passes requests on and answers back", async () => {
  const response = await fetch(`${proxy.url}/v1/x?y=1`, {
    method: "POST",
    body: "hello",
    headers: { "x-auth-token": "s3cret" },
  });
  expect(response.status).toBe(201);
  expect(response.headers.get("x-from")).toBe("server");
  expect(await response.text()).toBe("hello");
  expect(served).toEqual(["POST /v1/x?y=1"]);
  expect(proxy.requests).toMatchObject([{ method: "POST", path: "/v1/x?y=1", earlier: 0 }]);
  expect(proxy.requests[0]?.headerNames).toContain("x-auth-token");
  expect(JSON.stringify(proxy.requests)).not.toContain("s3cret");
});

describe("faults", () => {
  test("delay", async () => {
    proxy.on(() => faults.delay(200));
    const began = performance.now();
    expect((await fetch(proxy.url)).status).toBe(200);
    // A timer may be a little early.
    expect(performance.now() - began).toBeGreaterThan(190);
  });

  test("status, without the server", async () => {
    proxy.on(() => faults.badGateway());
    const response = await fetch(proxy.url, { method: "POST", body: "x".repeat(1_000_000) });
    expect(response.status).toBe(502);
    expect(response.headers.get("content-type")).toBe("text/html");
    expect(served).toEqual([]);
  });

  test("garbage", async () => {
    proxy.on(() => faults.garbage());
    const response = await fetch(proxy.url);
    expect(response.status).toBe(200);
    await expect(response.json()).rejects.toThrow(SyntaxError);
  });

  test("hang", async () => {
    proxy.on(() => faults.hang());
    await expect(fetch(proxy.url, { signal: AbortSignal.timeout(200) })).rejects.toThrow(/timeout/);
    expect(served).toEqual([]);
  });

  test("drop-before: the server hears nothing", async () => {
    proxy.on(() => faults.dropBefore());
    await expect(fetch(proxy.url)).rejects.toThrow("fetch failed");
    expect(served).toEqual([]);
  });

  test("drop-after: the server has done it", async () => {
    proxy.on(() => faults.dropAfter());
    await expect(fetch(proxy.url, { method: "POST", body: "x" })).rejects.toThrow("fetch failed");
    expect(served).toEqual(["POST /"]);
  });

  test("cut: so many bytes, then the end", async () => {
    proxy.on(() => faults.cut(70_000));
    const response = await fetch(proxy.url);
    expect(response.status).toBe(200);
    const received: number[] = [];
    const reading = async () => {
      for await (const chunk of response.body!) received.push(chunk.length);
    };
    await expect(reading()).rejects.toThrow("terminated");
    expect(received.reduce((sum, length) => sum + length, 0)).toBe(70_000);
  });

  test("stall: so many bytes, then silence", async () => {
    proxy.on(() => faults.stall(10));
    const abort = new AbortController();
    const response = await fetch(proxy.url, { signal: abort.signal });
    const reader = response.body!.getReader();
    expect((await reader.read()).value).toHaveLength(10);
    setTimeout(() => abort.abort(), 200);
    await expect(reader.read()).rejects.toThrow(/abort/);
  });

  test("corrupt: one byte", async () => {
    proxy.on(() => faults.corrupt(99_999));
    const bytes = await (await fetch(proxy.url)).bytes();
    expect(bytes).toHaveLength(100_000);
    expect([bytes[0], bytes[99_998], bytes[99_999]]).toEqual([0x61, 0x61, 0x61 ^ 0xff]);
  });
});

describe("rules", () => {
  test("the first that says something decides; removed, it does not", async () => {
    const remove = proxy.on(({ method }) => (method === "GET" ? faults.status(503) : undefined));
    proxy.on(() => faults.status(500));
    expect((await fetch(proxy.url)).status).toBe(503);
    expect((await fetch(proxy.url, { method: "DELETE" })).status).toBe(500);
    remove();
    expect((await fetch(proxy.url)).status).toBe(500);
    proxy.reset();
    expect((await fetch(proxy.url)).status).toBe(200);
    expect(proxy.count()).toBe(1);
  });

  test("unauthorized once", async () => {
    proxy.next(faults.unauthorized(), ({ path }) => path === "/v1/secrets");
    expect((await fetch(`${proxy.url}/other`)).status).toBe(200);
    expect((await fetch(`${proxy.url}/v1/secrets`)).status).toBe(401);
    expect((await fetch(`${proxy.url}/v1/secrets`)).status).toBe(200);
    expect(proxy.requests.map(({ earlier }) => earlier)).toEqual([0, 0, 1]);
    expect(served).toHaveLength(2);
  });

  test("saw waits for a request", async () => {
    const seen = proxy.saw(({ path }) => path === "/b");
    await fetch(`${proxy.url}/a`);
    await fetch(`${proxy.url}/b`);
    expect(await seen).toBe(proxy.requests[1]);
    expect(await proxy.saw(({ path }) => path === "/a")).toBe(proxy.requests[0]);
  });
});

test("a server that is away closes the connection", async () => {
  server.closeAllConnections();
  server.close();
  await expect(fetch(proxy.url)).rejects.toThrow("fetch failed");
});

test("the target's path is in the URL", async () => {
  await using other = await FaultProxy.start(`${targetUrl()}/v3`);
  await fetch(`${other.url}/auth/tokens`);
  expect(served).toEqual(["GET /v3/auth/tokens"]);
});

describe("tls", () => {
  const get = (url: string, ca?: string) =>
    new Promise<number | undefined>((resolve, reject) => {
      const request = https.get(url, { agent: false, ...(ca === undefined ? {} : { ca }) }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      request.once("error", reject);
    });

  test("only those who trust the CA can come", async () => {
    const secure = await FaultProxy.start(targetUrl(), { tls: true });
    const caFile = secure.caFile!;
    expect(secure.url).toMatch(/^https:/);
    expect(await get(secure.url, readFileSync(caFile, "utf8"))).toBe(200);
    await expect(get(secure.url)).rejects.toThrow(/certificate/);
    await secure[Symbol.asyncDispose]();
    expect(existsSync(caFile)).toBe(false);
  });

  test("the certificate may be for another name", async () => {
    await using secure = await FaultProxy.start(targetUrl(), { tls: { names: "DNS:elsewhere.example" } });
    const request = get(secure.url, readFileSync(secure.caFile!, "utf8"));
    await expect(request).rejects.toMatchObject({ code: "ERR_TLS_CERT_ALTNAME_INVALID" });
  });
});
