import { inspect } from "node:util";
import { givenToken } from "@luksmith/core";
import { testContext, type TestContext } from "@luksmith/testkit";
import { describe, expect, it } from "vitest";
import { isServiceError, KeystoneSession } from "../src/index.ts";
import { clientOf, failureOf, post, secret } from "./client.ts";
import { closedPort, type Handler, HttpServer, sendJson } from "./http-server.ts";

const TOKEN = "gAAAAAtoken-of-the-user-0123456789";
const SERVICE = "gAAAAAservice-token-abcdefghij";
const PAYLOAD = "cGF5bG9hZC1wYXNzcGhyYXNl+/8=";
const BODY = JSON.stringify({ name: "n", payload: PAYLOAD, payload_content_type: "text/plain" });

/** Everything that somebody could see of it, however they print it. */
function everythingOf(error: unknown, ctx: TestContext): string {
  const shown = [inspect(error, { depth: 10, showHidden: true, getters: true }), String(error)];
  const json = JSON.stringify(error, (_, value: unknown) =>
    value instanceof Error
      ? { ...(value as object), message: value.message, stack: value.stack, cause: value.cause }
      : value,
  );
  const logs = inspect(ctx.logged, { depth: 10, showHidden: true }) + JSON.stringify(ctx.logged);
  return [...shown, json, logs].join("\n");
}

function expectNoSecret(text: string, ...secrets: string[]): void {
  for (const word of secrets) {
    expect(text).not.toContain(word);
    expect(text).not.toContain(Buffer.from(word).toString("base64").slice(0, -4));
    // Buffers print as bytes in hexadecimal or decimal.
    expect(text).not.toContain([...Buffer.from(word.slice(0, 8))].map((byte) => byte.toString(16)).join(" "));
    expect(text.replaceAll(/\s+/g, "")).not.toContain([...Buffer.from(word.slice(0, 8))].join(","));
  }
}

const troubles: [string, Handler][] = [
  ["a lost connection", (answer) => answer.socket?.destroy()],
  ["no answer", () => {}],
  ["garbage", (answer) => answer.socket?.end("what?\r\n\r\n")],
  [
    "a cut answer",
    (answer) => answer.writeHead(201, { "content-length": "9" }).write("x", () => answer.destroy()),
  ],
  ["an answer that is too long", (answer) => answer.writeHead(201).end("x".repeat(5000))],
  ["a refused token", (answer) => sendJson(answer, 401, { error: { message: "no" } })],
  ["a redirect", (answer) => answer.writeHead(307, { location: "http://127.0.0.1:1/" }).end()],
  [
    "an error that repeats what was sent",
    (answer, { headers, body }) => {
      sendJson(answer, 400, {
        title: `bad ${String(headers["x-auth-token"])}`,
        description: `'${PAYLOAD}' is too short, ${body.toString()}, ${String(headers["x-service-token"])}`,
      });
    },
  ],
];

describe("an error and the log have neither tokens nor the body", () => {
  it.each(troubles)("after %s", async (_, trouble) => {
    await using server = await HttpServer.start(trouble);
    using client = clientOf(server.url, {
      http: { connectTimeoutMs: 5000, timeoutMs: 300 },
      serviceToken: givenToken(secret(SERVICE)),
      retries: { attempts: 2, baseMs: 1, maxMs: 2 },
    });
    const ctx = testContext();
    const body = { type: "application/json", bytes: Buffer.from(BODY) };
    const as = givenToken(secret(TOKEN));
    const error = await failureOf(client.request(post("/", { as, body, maxResponseBytes: 1000 }), ctx));
    expect(isServiceError(error)).toBe(true);
    expect(server.seen[0]?.headers["x-auth-token"]).toBe(TOKEN);
    expect(server.seen[0]?.headers["x-service-token"]).toBe(SERVICE);
    expect(server.seen[0]?.body.toString()).toBe(BODY);
    expect(ctx.logged.length).toBeGreaterThan(0);
    expectNoSecret(everythingOf(error, ctx), TOKEN, SERVICE, PAYLOAD);
  });

  it("after no connection, and after a cancel", async () => {
    using client = clientOf(await closedPort());
    const as = givenToken(secret(TOKEN));
    const body = { type: "application/json", bytes: Buffer.from(BODY) };
    const ctx = testContext();
    const error = await failureOf(client.request(post("/", { as, body }), ctx));
    expectNoSecret(everythingOf(error, ctx), TOKEN, PAYLOAD);
    const stopped = testContext({ signal: AbortSignal.timeout(20) });
    await using server = await HttpServer.start(() => {});
    using other = clientOf(server.url);
    const cancelled = await failureOf(other.request(post("/", { as, body }), stopped));
    expect(cancelled).toMatchObject({ code: "Cancelled" });
    expectNoSecret(everythingOf(cancelled, stopped), TOKEN, PAYLOAD);
  });

  it("says which field is wrong all the same", async () => {
    await using server = await HttpServer.start((answer) => {
      sendJson(answer, 400, {
        title: "Bad Request",
        description: `payload_content_type of '${PAYLOAD}' is bad`,
      });
    });
    using client = clientOf(server.url);
    const body = { type: "application/json", bytes: Buffer.from(BODY) };
    const error = await failureOf(client.request(post("/", { body }), testContext()));
    expect(error).toMatchObject({ detail: "payload_content_type of '[redacted]' is bad" });
  });

  it("nor does an answer that is printed have its bytes", async () => {
    await using server = await HttpServer.start((answer) => answer.writeHead(201, { x: TOKEN }).end(PAYLOAD));
    using client = clientOf(server.url);
    const ctx = testContext();
    const answer = await client.request(post("/"), ctx);
    expect(Buffer.from(answer.bytes).toString()).toBe(PAYLOAD);
    const shown = inspect(answer, { depth: 10, showHidden: true }) + JSON.stringify(answer);
    expectNoSecret(shown + everythingOf(undefined, ctx), TOKEN, PAYLOAD);
  });
});

describe("a login", () => {
  const password = 'correct "horse" \\battery\u0001 stäple';

  it("sends the password exactly, and shows it nowhere", async () => {
    await using server = await HttpServer.start((answer) =>
      sendJson(answer, 401, { error: { title: "Unauthorized" } }),
    );
    using session = new KeystoneSession({
      authUrl: server.url,
      credentials: {
        kind: "password",
        userName: "alice",
        userDomainId: "default",
        password: secret(password),
        scope: { projectName: "demo", projectDomainName: "Default" },
      },
      http: { connectTimeoutMs: 5000, timeoutMs: 5000 },
      interface: "public",
    });
    const ctx = testContext();
    const error = await failureOf(session.current(ctx));
    expect(JSON.parse(server.seen.at(0)!.body.toString())).toEqual({
      auth: {
        identity: {
          methods: ["password"],
          password: { user: { name: "alice", domain: { id: "default" }, password } },
        },
        scope: { project: { name: "demo", domain: { name: "Default" } } },
      },
    });
    expect(error).toMatchObject({ code: "AuthenticationFailed" });
    expect(String(error)).toContain("user alice in project demo");
    const text =
      everythingOf(error, ctx) + inspect(session, { depth: 10, showHidden: true }) + JSON.stringify(session);
    expectNoSecret(text, "battery", "horse");
  });
});
