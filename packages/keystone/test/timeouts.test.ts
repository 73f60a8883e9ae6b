import { createServer } from "node:net";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { testContext } from "@luksmith/testkit";
import { describe, expect, it } from "vitest";
import { clientOf, failureOf, get, post } from "./client.ts";
import { type Handler, HttpServer, sendJson, until } from "./http-server.ts";

const hang: Handler = () => {};
const stall: Handler = (answer) => {
  answer.writeHead(200, { "content-length": "100" }).write("x");
};
const trickle: Handler = (answer) => {
  answer.writeHead(200);
  const timer = setInterval(() => answer.write("x"), 20);
  answer.on("close", () => clearInterval(timer));
};
const quick = {
  http: { connectTimeoutMs: 5000, timeoutMs: 200 },
  retries: { attempts: 1, baseMs: 1, maxMs: 1 },
};

describe("the time-out", () => {
  it.each([
    ["no answer", hang],
    ["a body that stops", stall],
    ["a body that trickles", trickle],
  ])("ends %s", async (_, trouble) => {
    await using server = await HttpServer.start(trouble);
    using client = clientOf(server.url, quick);
    const error = await failureOf(client.request(post("/", { expect: [200] }), testContext()));
    expect(error).toMatchObject({ kind: "timeout", maybeDone: true });
    expect(String(error)).toContain("did not answer within 0.2 s");
    await until(() => server.connections.every((socket) => socket.destroyed));
  });

  it("of the connection ends a TLS server that says nothing, and nothing was sent", async () => {
    const server = createServer(() => {});
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    using client = clientOf(`https://127.0.0.1:${port}`, {
      ...quick,
      http: { connectTimeoutMs: 100, timeoutMs: 5000 },
    });
    const error = await failureOf(client.request(post("/"), testContext()));
    expect(error).toMatchObject({ kind: "unreachable", maybeDone: false });
    expect(String(error)).toContain("could not be connected within 0.1 s");
    server.close();
  });

  it("of a stream runs between its pieces, not while the caller works", async () => {
    await using server = await HttpServer.start((answer) => {
      answer.writeHead(200, { "content-length": "3" }).write("a");
      setTimeout(() => answer.write("b"), 120);
      setTimeout(() => answer.end("c"), 240);
    });
    using client = clientOf(server.url, quick);
    const { body } = await client.stream(get("/"), testContext());
    let text = "";
    for await (const piece of body) {
      text += Buffer.from(piece).toString();
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    expect(text).toBe("abc");
  });

  it("of a stream ends one that stops", async () => {
    await using server = await HttpServer.start(stall);
    using client = clientOf(server.url, quick);
    const { body } = await client.stream(get("/"), testContext());
    expect(Buffer.from((await body.next()).value!).toString()).toBe("x");
    expect(await failureOf(body.next())).toMatchObject({ kind: "timeout" });
    expect(await body.next()).toEqual({ done: true, value: undefined });
  });
});

describe("cancelling", () => {
  const slow = { retries: { attempts: 3, baseMs: 60_000, maxMs: 60_000 }, maxConcurrent: 1 };

  it.each([
    ["before the answer", hang],
    ["within the body", stall],
  ])("works %s and closes the connection", async (_, trouble) => {
    await using server = await HttpServer.start(trouble);
    using client = clientOf(server.url);
    const abort = new AbortController();
    const asked = failureOf(client.request(get("/"), testContext({ signal: abort.signal })));
    await until(() => server.seen.length === 1);
    abort.abort(new Error("enough"));
    expect(await asked).toMatchObject({ code: "Cancelled" });
    await until(() => server.connections.every((socket) => socket.destroyed));
  });

  it("works in the wait before a repetition", async () => {
    await using server = await HttpServer.start((answer) => sendJson(answer, 503, {}));
    using client = clientOf(server.url, slow);
    const abort = new AbortController();
    const asked = failureOf(client.request(get("/"), testContext({ signal: abort.signal })));
    await until(() => server.seen.length === 1);
    abort.abort();
    expect(await asked).toMatchObject({ code: "Cancelled" });
    expect(server.seen).toHaveLength(1);
  });

  it("works in the queue, and the next in it is not forgotten", async () => {
    let first: (() => void) | undefined;
    await using server = await HttpServer.start((answer, { path }) => {
      if (path === "/first") first = () => sendJson(answer, 200, {});
      else sendJson(answer, 200, {});
    });
    using client = clientOf(server.url, slow);
    const one = client.request(get("/first"), testContext());
    await until(() => first !== undefined);
    const abort = new AbortController();
    const two = failureOf(client.request(get("/second"), testContext({ signal: abort.signal })));
    const three = client.request(get("/third"), testContext());
    // Both stand in the queue before one of them leaves it.
    await new Promise((resolve) => setImmediate(resolve));
    abort.abort();
    expect(await two).toMatchObject({ code: "Cancelled" });
    first?.();
    await one;
    await three;
    expect(server.seen.map((seen) => seen.path)).toEqual(["/first", "/third"]);
  });

  it("before it began sends nothing", async () => {
    await using server = await HttpServer.start(hang);
    using client = clientOf(server.url);
    const ctx = testContext({ signal: AbortSignal.abort() });
    expect(await failureOf(client.request(get("/"), ctx))).toMatchObject({ code: "Cancelled" });
    expect(server.seen).toHaveLength(0);
  });

  it("works in a stream", async () => {
    await using server = await HttpServer.start(stall);
    using client = clientOf(server.url, { maxConcurrent: 1 });
    const abort = new AbortController();
    const { body } = await client.stream(get("/"), testContext({ signal: abort.signal }));
    await body.next();
    const asked = failureOf(body.next());
    abort.abort();
    expect(await asked).toMatchObject({ code: "Cancelled" });
    await until(() => server.connections.every((socket) => socket.destroyed));
  });
});
