import { givenToken, type Passphrase } from "@luksmith/core";
import { testContext } from "@luksmith/testkit";
import { describe, expect, it, vi } from "vitest";
import { type Credentials, KeystoneSession, ServiceClient, tokenInfo } from "../src/index.ts";
import { login } from "../src/session/login.ts";
import { failureOf, secret } from "./client.ts";
import { type Answers, fakeKeystone } from "./fake-keystone.ts";
import { closedPort, sendJson, until } from "./http-server.ts";

const http = { connectTimeoutMs: 5000, timeoutMs: 5000 };
const text = (token: Passphrase | undefined) => token?.use((bytes) => Buffer.from(bytes).toString());
const hour = (): Answers => ({ trouble: undefined, life: 3600 });

function sessionAt(authUrl: string, credentials?: Credentials, timeoutMs = 5000): KeystoneSession {
  return new KeystoneSession({
    authUrl,
    credentials: credentials ?? {
      kind: "password",
      userId: "u1",
      password: secret("pw"),
      scope: { projectId: "p1" },
    },
    http: { ...http, timeoutMs },
    interface: "public",
  });
}

/** Remembers the body that it was given. */
class Watched extends ServiceClient {
  body: Uint8Array | undefined;

  override request(...args: Parameters<ServiceClient["request"]>) {
    this.body = args[0].body?.bytes;
    return super.request(...args);
  }
}

describe("a session", () => {
  it("logs in once for all who ask, and not before", async () => {
    await using server = await fakeKeystone(hour());
    using session = sessionAt(server.url);
    expect(server.seen).toHaveLength(0);
    const tokens = await Promise.all(Array.from({ length: 20 }, () => session.current(testContext())));
    expect(new Set(tokens.map(text))).toEqual(new Set(["token-1"]));
    expect((await session.info(testContext())).projectName).toBe("demo");
    expect(server.seen).toHaveLength(1);
    expect(server.seen[0]?.path).toBe("/v3/auth/tokens");
  });

  it("shares a new login among those who were refused together, and gives latecomers its token", async () => {
    await using server = await fakeKeystone(hour());
    using session = sessionAt(server.url);
    const old = await session.current(testContext());
    const fresh = await Promise.all([session.renew(old, testContext()), session.renew(old, testContext())]);
    expect(fresh.map(text)).toEqual(["token-2", "token-2"]);
    expect(text(await session.renew(old, testContext()))).toBe("token-2");
    expect(text(await session.current(testContext()))).toBe("token-2");
    expect(server.seen).toHaveLength(2);
  });

  it("renews before the end: at once with a life of nothing, not at all within an hour", async () => {
    const answers = { ...hour(), life: 0 };
    await using server = await fakeKeystone(answers);
    using session = sessionAt(server.url);
    await session.current(testContext());
    answers.life = 3600;
    expect(text(await session.current(testContext()))).toBe("token-2");
    expect(text(await session.current(testContext()))).toBe("token-2");
  });

  it("does not keep a failure", async () => {
    const answers: Answers = {
      trouble: (answer) => sendJson(answer, 401, { error: { message: "x" } }),
      life: 3600,
    };
    await using server = await fakeKeystone(answers);
    using session = sessionAt(server.url);
    const both = await Promise.all([1, 2].map(() => failureOf(session.current(testContext()))));
    expect(both).toMatchObject([{ code: "AuthenticationFailed" }, { code: "AuthenticationFailed" }]);
    expect(server.seen).toHaveLength(1);
    answers.trouble = undefined;
    expect(text(await session.current(testContext()))).toBe("token-1");
  });

  it("uses the old token while it lasts when Keystone is away, and not longer", async () => {
    vi.useFakeTimers({ toFake: ["performance"] });
    try {
      const answers = { ...hour(), life: 100 };
      await using server = await fakeKeystone(answers);
      using session = sessionAt(server.url);
      await session.current(testContext());
      answers.trouble = (answer) => sendJson(answer, 503, {});
      vi.advanceTimersByTime(89_000);
      await session.current(testContext());
      expect(server.seen).toHaveLength(1);
      vi.advanceTimersByTime(6000);
      const ctx = testContext();
      expect(text(await session.current(ctx))).toBe("token-1");
      expect(server.seen.length).toBeGreaterThan(1);
      expect(ctx.logged.map((entry) => entry.level)).toContain("warn");
      vi.advanceTimersByTime(6000);
      expect(await failureOf(session.current(testContext()))).toMatchObject({ code: "IdentityUnavailable" });
    } finally {
      vi.useRealTimers();
    }
  });

  it.each([
    ["an error of its own", (answer) => sendJson(answer, 500, {})],
    ["a lost connection", (answer) => answer.socket?.destroy()],
    ["no JSON", (answer) => answer.writeHead(201, { "x-subject-token": "t" }).end("hm")],
    ["no token", (answer) => sendJson(answer, 201, { token: {} })],
  ] as [string, NonNullable<Answers["trouble"]>][])(
    "says IdentityUnavailable after %s",
    async (_, trouble) => {
      await using server = await fakeKeystone({ trouble, life: 1 });
      using session = sessionAt(server.url);
      const error = await failureOf(session.current(testContext()));
      expect(error).toMatchObject({ code: "IdentityUnavailable", retryable: true });
    },
  );

  it("says IdentityUnavailable where nobody listens", async () => {
    using session = sessionAt(await closedPort());
    expect(await failureOf(session.current(testContext()))).toMatchObject({ code: "IdentityUnavailable" });
  });

  it("lets one who cancels go, and logs in for the others", async () => {
    let answer: (() => void) | undefined;
    const answers = hour();
    answers.trouble = (response) => {
      answer = () => {
        answers.trouble = undefined;
        sendJson(response, 503, {});
      };
    };
    await using server = await fakeKeystone(answers);
    using session = sessionAt(server.url);
    const abort = new AbortController();
    const one = failureOf(session.current(testContext({ signal: abort.signal })));
    const two = session.current(testContext());
    await until(() => answer !== undefined);
    abort.abort();
    expect(await one).toMatchObject({ code: "Cancelled" });
    answer?.();
    expect(text(await two)).toBe("token-1");
  });

  it("stops a login that nobody waits for any more", async () => {
    await using server = await fakeKeystone({ trouble: () => {}, life: 1 });
    // Only the cancel ends it before the test does.
    using session = sessionAt(server.url, undefined, 600_000);
    const abort = new AbortController();
    const one = failureOf(session.current(testContext({ signal: abort.signal })));
    await until(() => server.seen.length === 1);
    abort.abort();
    expect(await one).toMatchObject({ code: "Cancelled" });
    await until(() => server.connections.every((socket) => socket.destroyed));
  });

  it("wipes the body of the login, which holds the password", async () => {
    await using server = await fakeKeystone(hour());
    using keystone = new Watched({
      service: "Keystone",
      endpoint: () => Promise.resolve(server.url),
      http,
      maxConcurrent: 1,
      retries: { attempts: 1, baseMs: 1, maxMs: 1 },
      breaker: { failures: 1, openMs: 1 },
    });
    using password = secret("pw-to-wipe");
    const credentials = { kind: "password", userId: "u", password, scope: {} } as const;
    using token = (await login(keystone, credentials, testContext())).token;
    expect(text(token)).toBe("token-1");
    expect(server.seen.at(0)?.body.toString()).toContain("pw-to-wipe");
    expect(keystone.body?.length).toBeGreaterThan(0);
    expect(keystone.body?.every((byte) => byte === 0)).toBe(true);
  });

  it("wipes its secrets in the end", async () => {
    await using server = await fakeKeystone(hour());
    const password = secret("pw");
    const session = sessionAt(server.url, { kind: "password", userId: "u", password, scope: {} });
    const token = await session.current(testContext());
    session[Symbol.dispose]();
    session[Symbol.dispose]();
    expect(() => password.use(() => {})).toThrow("wiped");
    expect(() => token.use(() => {})).toThrow("wiped");
    expect(await failureOf(session.current(testContext()))).toMatchObject({ code: "InternalError" });
  });
});

describe("a given token", () => {
  it("is used as it is, cannot be renewed, and Keystone is asked about it once", async () => {
    await using server = await fakeKeystone(hour());
    using session = sessionAt(server.url, { kind: "token", token: secret("mine") });
    expect(text(await session.current(testContext()))).toBe("mine");
    expect(await session.renew(await session.current(testContext()), testContext())).toBeUndefined();
    expect(server.seen).toHaveLength(0);
    await Promise.all([session.info(testContext()), session.info(testContext())]);
    await session.info(testContext());
    expect(server.seen).toHaveLength(1);
    expect(server.seen[0]?.headers).toMatchObject({ "x-auth-token": "mine", "x-subject-token": "mine" });
  });

  it("with a scope is exchanged", async () => {
    await using server = await fakeKeystone(hour());
    using session = sessionAt(server.url, {
      kind: "token",
      token: secret("mine"),
      scope: { projectId: "p" },
    });
    expect(text(await session.current(testContext()))).toBe("token-1");
    expect(JSON.parse(server.seen.at(0)!.body.toString())).toEqual({
      auth: { identity: { methods: ["token"], token: { id: "mine" } }, scope: { project: { id: "p" } } },
    });
  });

  it("is asked about once for each source and token", async () => {
    const answers = hour();
    await using server = await fakeKeystone(answers);
    const where = { authUrl: server.url, http };
    const source = givenToken(secret("mine"));
    await Promise.all([1, 2, 3].map(() => tokenInfo(source, where, testContext())));
    expect((await tokenInfo(source, where, testContext())).userName).toBe("alice");
    expect(server.seen).toHaveLength(1);
    answers.trouble = (answer) => sendJson(answer, 404, { error: { message: "no" } });
    const refused = await failureOf(tokenInfo(givenToken(secret("mine")), where, testContext()));
    expect(refused).toMatchObject({ code: "TokenRefused" });
    expect(server.seen).toHaveLength(2);
  });
});
