import { testContext } from "@luksmith/testkit";
import { describe, expect, it } from "vitest";
import * as z from "zod";
import { clientOf, failureOf, get, post } from "./client.ts";
import { HttpServer, sendJson } from "./http-server.ts";

describe("a request", () => {
  it("says who asks, for which operation, and wants nothing compressed", async () => {
    await using server = await HttpServer.start((answer) => sendJson(answer, 200, {}));
    using client = clientOf(server.url);
    const ctx = testContext();
    await client.request(get("/v1/secrets", { query: { name: "a b&c", limit: 2 } }), ctx);
    const [seen] = server.seen;
    expect(seen?.path).toBe("/v1/secrets?name=a+b%26c&limit=2");
    expect(seen?.headers).toMatchObject({
      "user-agent": "luksmith",
      "x-openstack-request-id": ctx.requestId,
      "accept-encoding": "identity",
      accept: "application/json",
    });
    expect(seen?.headers["content-type"]).toBeUndefined();
  });

  it("leaves out a request id that services would not take", async () => {
    await using server = await HttpServer.start((answer) => sendJson(answer, 200, {}));
    using client = clientOf(server.url);
    await client.request(get("/"), testContext({ requestId: "req-1" }));
    expect(server.seen[0]?.headers["x-openstack-request-id"]).toBeUndefined();
  });

  it("carries every byte as it is, both ways", async () => {
    const bytes = Uint8Array.from({ length: 70_000 }, (_, i) => i % 256);
    await using server = await HttpServer.start((answer, { body }) => {
      answer.writeHead(201, { "content-type": "application/octet-stream" }).end(body);
    });
    using client = clientOf(server.url);
    const body = { type: "application/octet-stream", bytes };
    const answer = await client.request(post("/", { body }), testContext());
    expect(server.seen[0]?.headers["content-length"]).toBe("70000");
    expect(Buffer.compare(server.seen.at(0)!.body, bytes)).toBe(0);
    expect(Buffer.compare(answer.bytes, bytes)).toBe(0);
  });

  it("sends a bodiless PUT without calling it a form", async () => {
    await using server = await HttpServer.start((answer) => answer.writeHead(204).end());
    using client = clientOf(server.url);
    await client.request(get("/traits/X", { method: "PUT", expect: [204] }), testContext());
    expect(server.seen[0]?.headers).toMatchObject({ "content-length": "0" });
    expect(server.seen[0]?.headers["content-type"]).toBeUndefined();
  });

  it("uses one connection again and again, also after errors and empty answers", async () => {
    await using server = await HttpServer.start((answer, _, earlier) => {
      if (earlier === 1) sendJson(answer, 404, { title: "Not Found" });
      else if (earlier === 2) answer.writeHead(204).end();
      else sendJson(answer, 200, {});
    });
    using client = clientOf(server.url);
    for (let i = 0; i < 5; i += 1) {
      await client.request(get("/", { expect: [200, 204] }), testContext()).catch(() => {});
    }
    expect(server.seen).toHaveLength(5);
    expect(server.connections).toHaveLength(1);
  });

  it("follows no redirect: the token stays where it was sent", async () => {
    await using elsewhere = await HttpServer.start((answer) => sendJson(answer, 200, {}));
    await using server = await HttpServer.start((answer) => {
      answer.writeHead(302, { location: elsewhere.url }).end();
    });
    using client = clientOf(server.url);
    const error = await failureOf(client.request(get("/"), testContext()));
    expect(error).toMatchObject({ kind: "status", status: 302 });
    expect(elsewhere.seen).toHaveLength(0);
  });

  it("honours no proxy variable", async () => {
    await using proxy = await HttpServer.start((answer) => sendJson(answer, 200, {}));
    await using server = await HttpServer.start((answer) => sendJson(answer, 200, {}));
    using client = clientOf(server.url);
    const names = ["http_proxy", "HTTP_PROXY", "ALL_PROXY"];
    for (const name of names) process.env[name] = proxy.url;
    try {
      await client.request(get("/"), testContext());
    } finally {
      for (const name of names) delete process.env[name];
    }
    expect(proxy.seen).toHaveLength(0);
    expect(server.seen).toHaveLength(1);
  });
});

describe("an answer", () => {
  it("is JSON of the shape that is wanted", async () => {
    await using server = await HttpServer.start((answer) => sendJson(answer, 200, { total: 3 }));
    using client = clientOf(server.url);
    const answer = await client.request(get("/"), testContext());
    expect(answer.json(z.object({ total: z.number() }))).toEqual({ total: 3 });
    expect(() => answer.json(z.object({ total: z.string() }))).toThrow(/without a valid "total"/);
  });

  it.each([
    ["text", "protocol", "oops"],
    ["cut JSON", "protocol", '{"total": '],
    ["bytes that are no UTF-8", "protocol", Buffer.from([0x22, 0xff, 0x22])],
  ])("of %s is not taken for JSON", async (_, kind, body) => {
    await using server = await HttpServer.start((answer) => answer.writeHead(200).end(body));
    using client = clientOf(server.url);
    const answer = await client.request(get("/"), testContext());
    const error = await failureOf(Promise.resolve().then(() => answer.json(z.unknown())));
    expect(error).toMatchObject({ kind, status: 200, maybeDone: true });
  });

  it.each([
    ["said beforehand", { "content-length": "2000" }],
    ["found on the way", {}],
  ])("that is too long is refused (%s), once", async (_, headers) => {
    await using server = await HttpServer.start((answer) => {
      answer.writeHead(200, headers).end("x".repeat(2000));
    });
    using client = clientOf(server.url);
    const error = await failureOf(client.request(get("/", { maxResponseBytes: 1999 }), testContext()));
    expect(error).toMatchObject({ kind: "protocol", attempts: 1 });
    await expect(client.request(get("/", { maxResponseBytes: 2000 }), testContext())).resolves.toBeDefined();
  });

  it("that is compressed is refused: nobody asked, and it may be a bomb", async () => {
    await using server = await HttpServer.start((answer) => {
      answer.writeHead(200, { "content-encoding": "gzip" }).end("x");
    });
    using client = clientOf(server.url);
    expect(await failureOf(client.request(get("/"), testContext()))).toMatchObject({ kind: "protocol" });
  });

  it.each([
    ["Keystone", { error: { code: 403, title: "Forbidden", message: "no" } }, "Forbidden", "no"],
    ["Barbican", { code: 403, title: "Forbidden", description: "no" }, "Forbidden", "no"],
    ["Placement", { errors: [{ status: 403, title: "Forbidden", detail: "no" }] }, "Forbidden", "no"],
    ["Nova", { forbidden: { code: 403, message: "no" } }, undefined, "no"],
    ["unknown JSON", { a: [1] }, undefined, '{"a":[1]}'],
  ])("with an error in the shape of %s keeps its words", async (_, body, title, detail) => {
    await using server = await HttpServer.start((answer) => {
      sendJson(answer, 403, body, { "x-openstack-request-id": "req-there" });
    });
    using client = clientOf(server.url);
    const error = await failureOf(client.request(get("/", { query: { q: "x" } }), testContext()));
    expect(error).toMatchObject({
      status: 403,
      title,
      detail,
      serviceRequestId: "req-there",
      maybeDone: false,
    });
    expect(error).toMatchObject({ url: `${server.url}/`, method: "GET", service: "Thing", attempts: 1 });
  });

  it.each([
    ["<html><head><title>502 Bad Gateway</title></head><body>x</body></html>", "502 Bad Gateway", undefined],
    [
      "<html><head><title>403 Forbidden</title></head><body><h1>403</h1>no <b>access</b></body></html>",
      "403 Forbidden",
      "no access",
    ],
    ["<!DOCTYPE html><p>hm", "HTML page", undefined],
  ])("with a page %s is reduced to its words", async (page, title, detail) => {
    await using server = await HttpServer.start((answer) => answer.writeHead(418).end(page));
    using client = clientOf(server.url);
    expect(await failureOf(client.request(get("/"), testContext()))).toMatchObject({ title, detail });
  });
});
