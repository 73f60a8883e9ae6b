import { inspect } from "node:util";
import { givenToken } from "@luksmith/core";
import { faults, FaultProxy, type OpenStack, sharedOpenStack } from "@luksmith/testing-services";
import { testContext } from "@luksmith/testkit";
import { beforeAll, describe, expect, it } from "vitest";
import { KeystoneSession, tokenInfo } from "../src/index.ts";
import { failureOf, get, post, secret } from "./client.ts";
import { barbican, HTTP, sessionFrom, text } from "./openstack-tools.ts";

let openstack: OpenStack;
beforeAll(async () => {
  openstack = await sharedOpenStack();
}, 180_000);

const newSecret = { json: { name: "keystone-test", secret_type: "passphrase" } };

describe("Keystone", () => {
  it("takes a password and says who that is", async () => {
    using session = await sessionFrom(openstack.environmentFor("alice"));
    const info = await session.info(testContext());
    const alice = openstack.user("alice");
    expect(info).toMatchObject({
      userId: alice.id,
      userName: "alice",
      projectId: alice.projectId,
      projectName: "demo",
    });
    expect([...info.roles]).toEqual(expect.arrayContaining(["member", "creator"]));
    expect(info.expiresAt.getTime()).toBeGreaterThan(Date.now());
  });

  it.each([
    ["a wrong password", { OS_PASSWORD: "wrong" }],
    ["an unknown user", { OS_USERNAME: "nobody" }],
    ["a project without a role", { OS_PROJECT_NAME: "other" }],
    ["an unknown project", { OS_PROJECT_NAME: "nothing" }],
    ["an unknown domain", { OS_USER_DOMAIN_ID: "nowhere", OS_USER_DOMAIN_NAME: "" }],
  ])("refuses %s, and the message says who and where", async (_, wrong) => {
    const env: Record<string, string> = { ...openstack.environmentFor("alice"), ...wrong };
    using session = await sessionFrom(env);
    const error = await failureOf(session.current(testContext()));
    expect(error).toMatchObject({ code: "AuthenticationFailed", details: { status: 401 } });
    expect(String(error)).toContain(`user ${env["OS_USERNAME"]} in project ${env["OS_PROJECT_NAME"]}`);
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain(openstack.user("alice").password);
  });

  it("takes an application credential, by id, without more", async () => {
    const { id, secret: given } = await openstack.createApplicationCredential("alice", {
      name: `keystone-${crypto.randomUUID()}`,
      roles: ["creator"],
    });
    using session = await sessionFrom({
      OS_AUTH_TYPE: "v3applicationcredential",
      OS_AUTH_URL: openstack.urls.keystone,
      OS_APPLICATION_CREDENTIAL_ID: id,
      OS_APPLICATION_CREDENTIAL_SECRET: given,
    });
    const info = await session.info(testContext());
    expect(info).toMatchObject({ userName: "alice", projectName: "demo", roles: ["creator"] });
  });

  it("takes an application credential by name and user", async () => {
    const name = `keystone-${crypto.randomUUID()}`;
    const { secret: given } = await openstack.createApplicationCredential("alice", { name });
    using session = await sessionFrom({
      OS_AUTH_TYPE: "v3applicationcredential",
      OS_AUTH_URL: openstack.urls.keystone,
      OS_APPLICATION_CREDENTIAL_NAME: name,
      OS_APPLICATION_CREDENTIAL_SECRET: given,
      OS_USERNAME: "alice",
      OS_USER_DOMAIN_NAME: "Default",
    });
    expect((await session.info(testContext())).userName).toBe("alice");
  });

  it("exchanges a token for one of a project", async () => {
    const unscoped = await openstack.issueToken("alice", { scope: "unscoped" });
    const { keystone: OS_AUTH_URL } = openstack.urls;
    using plain = await sessionFrom({ OS_AUTH_URL, OS_TOKEN: unscoped });
    expect((await plain.info(testContext())).projectId).toBeUndefined();
    using scoped = await sessionFrom({
      OS_AUTH_TYPE: "token",
      OS_AUTH_URL,
      OS_TOKEN: unscoped,
      OS_PROJECT_NAME: "demo",
      OS_PROJECT_DOMAIN_NAME: "Default",
    });
    expect((await scoped.info(testContext())).projectName).toBe("demo");
  });

  it("answers about a given token, and refuses one that has ended or was revoked", async () => {
    const where = { authUrl: openstack.urls.keystone, http: HTTP };
    const good = await openstack.issueToken("bob");
    expect((await tokenInfo(givenToken(secret(good)), where, testContext())).userName).toBe("bob");
    await openstack.revokeToken(good);
    const ended = await openstack.issueToken("bob", { expiresInSeconds: -10 });
    for (const bad of [good, ended, "gAAAAAgarbage"]) {
      const error = await failureOf(tokenInfo(givenToken(secret(bad)), where, testContext()));
      expect(error).toMatchObject({ code: "TokenRefused" });
      expect(String(error)).not.toContain(bad);
    }
  });

  it("is asked again before the token ends, whatever clock the host has", async () => {
    await using proxy = await FaultProxy.start(openstack.urls.keystone);
    using session = await sessionFrom({ ...openstack.environmentFor("alice"), OS_AUTH_URL: proxy.url });
    await session.current(testContext());
    await session.current(testContext());
    expect(proxy.count("POST")).toBe(1);
  });

  it.each([
    ["502", faults.badGateway()],
    ["a lost connection", faults.dropAfter()],
    ["an answer that is cut", faults.cut(20)],
  ])("is asked again after %s", async (_, fault) => {
    await using proxy = await FaultProxy.start(openstack.urls.keystone);
    proxy.next(fault);
    using session = await sessionFrom({ ...openstack.environmentFor("alice"), OS_AUTH_URL: proxy.url });
    await session.current(testContext());
    expect(proxy.count("POST")).toBe(2);
  });
});

describe("the catalog", () => {
  it("leads to each region's Barbican, and says which regions there are", async () => {
    using session = await sessionFrom(openstack.environmentFor("alice"));
    const { catalog } = await session.info(testContext());
    const want = { serviceTypes: ["key-manager"], interfaces: ["public"] as const };
    expect(catalog.endpoint({ ...want, region: "RegionOne" })).toBe(openstack.urls.barbican);
    expect(catalog.endpoint({ ...want, region: "RegionNew" })).toBe(openstack.urls["barbican-new"]);
    expect(catalog.endpoint({ ...want, region: "RegionNone" })).toBeUndefined();
    using client = barbican(session, { region: "RegionNone" });
    const error = await failureOf(client.request(get("/v1/secrets", { as: session }), testContext()));
    expect(error).toMatchObject({ code: "EndpointNotFound" });
    expect(String(error)).toMatch(/RegionNew, RegionOne/);
  });
});

describe("Barbican", () => {
  it("is called with the session's token", async () => {
    using session = await sessionFrom(openstack.environmentFor("alice"));
    using client = barbican(session);
    const answer = await client.request(post("/v1/secrets", { as: session, ...newSecret }), testContext());
    expect(Buffer.from(answer.bytes).toString()).toContain("/v1/secrets/");
  });

  it("refuses a revoked token, and takes the new one", async () => {
    using session = await sessionFrom(openstack.environmentFor("alice"));
    using client = barbican(session);
    const old = text(await session.current(testContext()));
    await openstack.revokeToken(old);
    const answer = await client.request(post("/v1/secrets", { as: session, ...newSecret }), testContext());
    expect(answer.status).toBe(201);
    expect(text(await session.current(testContext()))).not.toBe(old);
  });

  it("refuses a given token that has ended, unless a service vouches for it", async () => {
    using service = await sessionFrom(openstack.environmentFor("hostagent"));
    // A service's right to vouch is Keystone's: the token must not have ended long ago.
    const ended = givenToken(secret(await openstack.issueToken("alice", { expiresInSeconds: -5 })));
    using alone = barbican(service);
    const error = await failureOf(
      alone.request(post("/v1/secrets", { as: ended, ...newSecret }), testContext()),
    );
    expect(error).toMatchObject({ kind: "unauthenticated", status: 401 });
    using vouched = barbican(service, { serviceToken: service });
    const answer = await vouched.request(post("/v1/secrets", { as: ended, ...newSecret }), testContext());
    expect(answer.status).toBe(201);
  });

  it("refuses the service's token when that is nobody's of service", async () => {
    using bob = await sessionFrom(openstack.environmentFor("bob"));
    const ended = givenToken(secret(await openstack.issueToken("alice", { expiresInSeconds: -5 })));
    using client = barbican(bob, { serviceToken: bob });
    const error = await failureOf(
      client.request(post("/v1/secrets", { as: ended, ...newSecret }), testContext()),
    );
    expect(error).toMatchObject({ kind: "unauthenticated" });
  });
});

describe("TLS", () => {
  const password = (authUrl: string, http: Partial<typeof HTTP>) => {
    const alice = openstack.user("alice");
    return new KeystoneSession({
      authUrl,
      credentials: {
        kind: "password",
        userName: "alice",
        userDomainName: "Default",
        password: secret(alice.password),
        scope: { projectId: alice.projectId },
      },
      http: { ...HTTP, ...http },
      interface: "public",
    });
  };

  it("is trusted with the authority's file, and only then", async () => {
    await using proxy = await FaultProxy.start(openstack.urls.keystone, { tls: true });
    using trusting = password(proxy.url, { caFile: proxy.caFile });
    await trusting.current(testContext());
    using strict = password(proxy.url, {});
    const error = await failureOf(strict.current(testContext()));
    expect(error).toMatchObject({ code: "IdentityUnavailable" });
    expect(String(error)).toContain("certificate that is not trusted");
    expect(String(error)).not.toContain("tried");
    using careless = password(proxy.url, { insecure: true });
    await careless.current(testContext());
    expect(proxy.count()).toBe(2);
  });

  it("is refused for another host's name, before anything was sent", async () => {
    await using proxy = await FaultProxy.start(openstack.urls.keystone, {
      tls: { names: "DNS:elsewhere.example" },
    });
    using session = password(proxy.url, { caFile: proxy.caFile });
    const error = await failureOf(session.current(testContext()));
    expect(String(error)).toContain("ERR_TLS_CERT_ALTNAME_INVALID");
    expect(proxy.count()).toBe(0);
  });

  it("with a file that is not there is a mistake of the configuration", async () => {
    using session = password(openstack.urls.keystone, { caFile: "/nonexistent/ca.pem" });
    expect(await failureOf(session.current(testContext()))).toMatchObject({ code: "ConfigInvalid" });
  });
});
