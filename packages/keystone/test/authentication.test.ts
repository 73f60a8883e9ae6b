import { givenToken } from "@luksmith/core";
import { testContext } from "@luksmith/testkit";
import { describe, expect, it } from "vitest";
import { clientOf, failureOf, get, post, secret, tokenSource } from "./client.ts";
import { HttpServer, sendJson } from "./http-server.ts";

/** A service that takes one token only. */
function serviceThatTakes(good: string, header = "x-auth-token"): Promise<HttpServer> {
  return HttpServer.start((answer, { headers }) => {
    if (headers[header] === good) sendJson(answer, 201, {});
    else sendJson(answer, 401, { error: { code: 401, title: "Unauthorized", message: "no" } });
  });
}

describe("401", () => {
  it("gets another token, and the request is sent again, also one that must not be repeated", async () => {
    await using server = await serviceThatTakes("second");
    using client = clientOf(server.url, { retries: { attempts: 1, baseMs: 1, maxMs: 1 } });
    const as = tokenSource("first", "second", "third");
    await client.request(post("/", { as }), testContext());
    expect(server.seen.map((seen) => seen.headers["x-auth-token"])).toEqual(["first", "second"]);
    expect(as.asked.renew).toBe(1);
  });

  it("to the new token too is the end", async () => {
    await using server = await serviceThatTakes("third");
    using client = clientOf(server.url);
    const as = tokenSource("first", "second", "third");
    const error = await failureOf(client.request(post("/", { as }), testContext()));
    expect(error).toMatchObject({
      kind: "unauthenticated",
      status: 401,
      maybeDone: false,
      detail: "no",
      attempts: 2,
    });
    expect(String(error)).toContain("refused a new token as well");
    expect(server.seen).toHaveLength(2);
  });

  it("to a token that cannot be renewed is the end at once", async () => {
    await using server = await serviceThatTakes("other");
    using client = clientOf(server.url);
    const as = givenToken(secret("mine"));
    const error = await failureOf(client.request(post("/", { as }), testContext()));
    expect(error).toMatchObject({ kind: "unauthenticated", attempts: 1 });
    expect(server.seen).toHaveLength(1);
  });

  it("without any token is an ordinary status", async () => {
    await using server = await serviceThatTakes("x");
    using client = clientOf(server.url);
    expect(await failureOf(client.request(post("/"), testContext()))).toMatchObject({
      kind: "status",
      status: 401,
    });
  });

  it("after a renewal and a 503 keeps the new token", async () => {
    await using server = await HttpServer.start((answer, _, earlier) => {
      sendJson(answer, [401, 503, 200][earlier] ?? 200, {});
    });
    using client = clientOf(server.url);
    await client.request(get("/", { as: tokenSource("first", "second") }), testContext());
    expect(server.seen.map((seen) => seen.headers["x-auth-token"])).toEqual(["first", "second", "second"]);
  });
});

describe("the service token", () => {
  it("goes beside the user's, and is renewed when it may be the one that was refused", async () => {
    await using server = await serviceThatTakes("s2", "x-service-token");
    const serviceToken = tokenSource("s1", "s2");
    using client = clientOf(server.url, { serviceToken });
    await client.request(post("/", { as: givenToken(secret("user")) }), testContext());
    expect(server.seen.map(({ headers }) => [headers["x-auth-token"], headers["x-service-token"]])).toEqual([
      ["user", "s1"],
      ["user", "s2"],
    ]);
  });

  it("does not go beside itself, nor alone", async () => {
    await using server = await HttpServer.start((answer) => sendJson(answer, 201, {}));
    const serviceToken = tokenSource("s1");
    using client = clientOf(server.url, { serviceToken });
    await client.request(post("/", { as: serviceToken }), testContext());
    await client.request(post("/"), testContext());
    expect(server.seen.map(({ headers }) => headers["x-service-token"])).toEqual([undefined, undefined]);
  });
});

describe("a token with a line break", () => {
  it("is refused here: it would be another header", async () => {
    await using server = await HttpServer.start((answer) => sendJson(answer, 201, {}));
    using client = clientOf(server.url);
    const as = givenToken(secret("abc\r\nx-evil: 1"));
    const error = await failureOf(client.request(post("/", { as }), testContext()));
    expect(error).toMatchObject({ code: "TokenRefused" });
    expect(server.seen).toHaveLength(0);
  });
});
