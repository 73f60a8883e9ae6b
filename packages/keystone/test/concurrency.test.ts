import { testContext } from "@luksmith/testkit";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { clientOf, failureOf, get } from "./client.ts";
import { closedPort, HttpServer, sendJson, until } from "./http-server.ts";

describe("concurrency", () => {
  it("is bounded, and everybody's turn comes", async () => {
    const held: (() => void)[] = [];
    let most = 0;
    await using server = await HttpServer.start((answer) => {
      held.push(() => sendJson(answer, 200, {}));
      most = Math.max(most, held.length);
      // Three must come, or nothing goes on.
      if (held.length === 3) for (const go of held.splice(0)) go();
    });
    using client = clientOf(server.url, { maxConcurrent: 3 });
    const asked = Array.from({ length: 21 }, () => client.request(get("/"), testContext()));
    await Promise.all(asked);
    expect(most).toBe(3);
    expect(server.connections).toHaveLength(3);
  });

  it("counts a stream until its end", async () => {
    await using server = await HttpServer.start((answer) => answer.writeHead(200).end("abc"));
    using client = clientOf(server.url, { maxConcurrent: 1 });
    const { body } = await client.stream(get("/"), testContext());
    const next = client.request(get("/next"), testContext());
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(server.seen).toHaveLength(1);
    await body.return?.();
    await next;
    expect(server.seen).toHaveLength(2);
  });

  it("gets a stream's slot back once, however often its end is asked for", async () => {
    await using server = await HttpServer.start((answer, { path }) => {
      if (path !== "/held") answer.writeHead(200).end("abc");
    });
    using client = clientOf(server.url, { maxConcurrent: 1 });
    const { body } = await client.stream(get("/"), testContext());
    for await (const piece of body) expect(piece.length).toBe(3);
    await body.return?.();
    await body.return?.();
    const abort = new AbortController();
    const held = failureOf(client.request(get("/held"), testContext({ signal: abort.signal })));
    await until(() => server.seen.length === 2);
    const waiting = client.request(get("/waiting"), testContext());
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(server.seen).toHaveLength(2);
    abort.abort();
    await held;
    await waiting;
  });
});

describe("the circuit breaker", () => {
  const quick = { retries: { attempts: 1, baseMs: 1, maxMs: 1 }, breaker: { failures: 2, openMs: 60_000 } };
  // The breaker looks at the clock only.
  beforeEach(() => vi.useFakeTimers({ toFake: ["Date"] }));
  afterEach(() => vi.useRealTimers());
  const ask = (client: ReturnType<typeof clientOf>) => failureOf(client.request(get("/"), testContext()));

  it("opens after failures in a row and says since when and why", async () => {
    using client = clientOf(await closedPort(), quick);
    await ask(client);
    await ask(client);
    const began = new Date().toISOString().slice(0, 16);
    const error = await ask(client);
    expect(error).toMatchObject({ kind: "circuit-open", maybeDone: false });
    expect(String(error)).toContain(`has failed since ${began.slice(0, 10)}`);
    expect(String(error)).toContain("ECONNREFUSED");
  });

  it("sends nothing while open, then one request, then all", async () => {
    let works = false;
    let probe: (() => void) | undefined;
    await using server = await HttpServer.start((answer) => {
      if (!works) sendJson(answer, 500, {});
      else if (probe === undefined) probe = () => sendJson(answer, 200, {});
      else sendJson(answer, 200, {});
    });
    using client = clientOf(server.url, quick);
    await ask(client);
    await ask(client);
    expect(await ask(client)).toMatchObject({ kind: "circuit-open" });
    expect(server.seen).toHaveLength(2);
    works = true;
    vi.setSystemTime(Date.now() + 60_001);
    const first = client.request(get("/"), testContext());
    await until(() => probe !== undefined);
    expect(await ask(client)).toMatchObject({ kind: "circuit-open" });
    expect(server.seen).toHaveLength(3);
    probe?.();
    await first;
    await client.request(get("/"), testContext());
    expect(server.seen).toHaveLength(4);
  });

  it("does not close because the probe was cancelled", async () => {
    let hang = false;
    await using server = await HttpServer.start((answer) => {
      if (!hang) sendJson(answer, 500, {});
    });
    using client = clientOf(server.url, quick);
    await ask(client);
    await ask(client);
    hang = true;
    vi.setSystemTime(Date.now() + 60_001);
    const abort = new AbortController();
    const probe = failureOf(client.request(get("/"), testContext({ signal: abort.signal })));
    await until(() => server.seen.length === 3);
    abort.abort();
    expect(await probe).toMatchObject({ code: "Cancelled" });
    expect(await ask(client)).toMatchObject({ kind: "circuit-open" });
  });

  it.each([400, 401, 403, 404, 409, 429])("does not count %d, which ends a row", async (code) => {
    await using server = await HttpServer.start((answer, _, earlier) => {
      sendJson(answer, earlier % 2 === 0 ? 500 : code, {});
    });
    using client = clientOf(server.url, quick);
    for (let i = 0; i < 6; i += 1) expect(await ask(client)).toMatchObject({ kind: "status" });
    expect(server.seen).toHaveLength(6);
  });

  it("is each endpoint's own", async () => {
    await using server = await HttpServer.start((answer) => sendJson(answer, 200, {}));
    const closed = await closedPort();
    let url = closed;
    using client = clientOf("", { ...quick, endpoint: () => Promise.resolve(url) });
    await ask(client);
    await ask(client);
    expect(await ask(client)).toMatchObject({ kind: "circuit-open" });
    url = server.url;
    await expect(client.request(get("/"), testContext())).resolves.toMatchObject({ status: 200 });
  });
});
