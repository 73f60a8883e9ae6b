import { testContext } from "@luksmith/testkit";
import { describe, expect, it } from "vitest";
import { clientOf, failureOf, get, post } from "./client.ts";
import { closedPort, type Handler, HttpServer, sendJson } from "./http-server.ts";

const drop: Handler = (answer) => answer.socket?.destroy();
const cut: Handler = (answer) => {
  answer.writeHead(200, { "content-length": "100" }).write("x".repeat(10), () => answer.socket?.destroy());
};
const status =
  (code: number, headers = {}): Handler =>
  (answer) =>
    sendJson(answer, code, { title: "trouble" }, headers);

/** Fails once, then works. */
async function recovering(trouble: Handler): Promise<HttpServer> {
  return HttpServer.start((answer, request, earlier) => {
    if (earlier === 0) trouble(answer, request, earlier);
    else sendJson(answer, request.method === "POST" ? 201 : 200, {});
  });
}

describe("a request that may be repeated", () => {
  it.each([
    ["a lost connection", drop],
    ["a cut answer", cut],
    ["500", status(500)],
    ["502", status(502)],
    ["503", status(503)],
    ["504", status(504)],
    ["429", status(429)],
  ])("is sent again after %s", async (_, trouble) => {
    await using server = await recovering(trouble);
    using client = clientOf(server.url);
    const answer = await client.request(get("/"), testContext());
    expect(answer.status).toBe(200);
    expect(server.seen).toHaveLength(2);
  });

  it.each([400, 403, 404, 409, 413])("is not sent again after %d", async (code) => {
    await using server = await recovering(status(code));
    using client = clientOf(server.url);
    const error = await failureOf(client.request(get("/"), testContext()));
    expect(error).toMatchObject({ kind: "status", status: code, attempts: 1, maybeDone: false });
  });

  it("is given up after so many attempts, and says how many", async () => {
    await using server = await HttpServer.start(drop);
    using client = clientOf(server.url);
    const error = await failureOf(client.request(get("/"), testContext()));
    expect(error).toMatchObject({ kind: "broken", attempts: 3, maybeDone: true });
    expect(String(error)).toContain("tried 3 times");
    expect(server.seen).toHaveLength(3);
  });
});

describe("a request that must not be repeated", () => {
  it.each([
    ["a lost connection", drop, "broken"],
    ["a cut answer", (answer, ...rest) => cut(answer, ...rest), "broken"],
    ["500", status(500), "status"],
    ["502", status(502), "status"],
    ["504", status(504), "status"],
  ] as [string, Handler, string][])(
    "is not sent again after %s, and may be done",
    async (_, trouble, kind) => {
      await using server = await recovering(trouble);
      using client = clientOf(server.url);
      const error = await failureOf(client.request(post("/", { expect: [200, 201] }), testContext()));
      expect(error).toMatchObject({ kind, maybeDone: true, attempts: 1 });
      expect(server.seen).toHaveLength(1);
    },
  );

  it("is not sent again when a kept connection is lost: the request may have left", async () => {
    await using server = await HttpServer.start((answer, request, earlier) => {
      if (earlier === 0) sendJson(answer, 201, {});
      else drop(answer, request, earlier);
    });
    using client = clientOf(server.url);
    await client.request(post("/"), testContext());
    const error = await failureOf(client.request(post("/"), testContext()));
    expect(error).toMatchObject({ kind: "broken", maybeDone: true, attempts: 1 });
    expect(server.connections).toHaveLength(1);
  });

  it.each([429, 503])("is sent again after %d: nothing was done", async (code) => {
    await using server = await recovering(status(code));
    using client = clientOf(server.url);
    expect((await client.request(post("/"), testContext())).status).toBe(201);
    expect(server.seen).toHaveLength(2);
  });

  it("is tried again where nobody listens, and surely is not done", async () => {
    using client = clientOf(await closedPort());
    const error = await failureOf(client.request(post("/"), testContext()));
    expect(error).toMatchObject({ kind: "unreachable", maybeDone: false, attempts: 3 });
    expect(String(error)).toContain("ECONNREFUSED");
  });

  it("is tried again for a name that nobody knows", async () => {
    using client = clientOf("http://nowhere.invalid:1");
    const error = await failureOf(client.request(post("/"), testContext()));
    expect(error).toMatchObject({ kind: "unreachable", maybeDone: false, attempts: 3 });
  });
});

describe("Retry-After", () => {
  it("is waited for, in seconds", async () => {
    await using server = await recovering(status(503, { "retry-after": "1" }));
    using client = clientOf(server.url, { retries: { attempts: 2, baseMs: 1, maxMs: 5000 } });
    const began = performance.now();
    await client.request(get("/"), testContext());
    expect(performance.now() - began).toBeGreaterThan(900);
  });

  it("is not obeyed beyond the longest wait", async () => {
    await using server = await recovering(status(503, { "retry-after": "86400" }));
    using client = clientOf(server.url);
    await client.request(get("/"), testContext());
    expect(server.seen).toHaveLength(2);
  });
});
