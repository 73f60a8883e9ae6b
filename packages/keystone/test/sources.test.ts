import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { testContext } from "@luksmith/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { KeystoneSession, userSession } from "../src/index.ts";
import { failureOf, secret } from "./client.ts";
import { fakeKeystone } from "./fake-keystone.ts";
import { loginOf } from "./login-of.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "luksmith-sources-"));
});
afterEach(() => rm(folder, { recursive: true }));

type Env = Record<string, string>;
const user = (env: Env, more = {}) => userSession({ env, cwd: folder, home: join(folder, "home"), ...more });

const ALICE: Env = { OS_USERNAME: "alice", OS_PASSWORD: "pw-of-alice", OS_PROJECT_NAME: "demo" };

describe("the OS_* variables", () => {
  it("are nobody if they say nothing", async () => {
    expect(await user({})).toBeUndefined();
    expect(
      await user({ OS_REGION_NAME: "RegionOne", OS_CACERT: "/x", PATH: "/bin", OS_PASSWORD: "" }),
    ).toBeUndefined();
  });

  it("are a password, with the default domain where none is given", async () => {
    const login = await loginOf((url) =>
      user({ ...ALICE, OS_AUTH_URL: url, OS_PROJECT_DOMAIN_NAME: "Heat" }),
    );
    const password = { user: { name: "alice", domain: { id: "default" }, password: "pw-of-alice" } };
    expect(login).toEqual({
      auth: {
        identity: { methods: ["password"], password },
        scope: { project: { name: "demo", domain: { name: "Heat" } } },
      },
    });
  });

  it.each([
    [
      { OS_AUTH_TYPE: "v3applicationcredential" },
      { id: "i", secret: "s" },
      { OS_APPLICATION_CREDENTIAL_ID: "i" },
    ],
    [
      {},
      { name: "n", user: { id: "u" }, secret: "s" },
      { OS_APPLICATION_CREDENTIAL_NAME: "n", OS_USER_ID: "u" },
    ],
  ])("are an application credential %#", async (type, credential, more) => {
    const env = { ...type, ...more, OS_APPLICATION_CREDENTIAL_SECRET: "s" };
    const login = await loginOf((url) => user({ ...(env as Env), OS_AUTH_URL: url }));
    const identity = { methods: ["application_credential"], application_credential: credential };
    expect(login).toEqual({ auth: { identity } });
  });

  it("with a token are that token, as it is", async () => {
    const plain = await user({ OS_TOKEN: "tok" });
    expect((await plain?.current(testContext()))?.use((b) => Buffer.from(b).toString())).toBe("tok");
    const known = await user({ OS_TOKEN: "tok", OS_AUTH_URL: "http://127.0.0.1:1", OS_PROJECT_NAME: "demo" });
    expect(known).toBeInstanceOf(KeystoneSession);
    expect((await known?.current(testContext()))?.use((b) => Buffer.from(b).toString())).toBe("tok");
  });

  it("give way to a token from standard input and to a named cloud", async () => {
    const token = secret("stdin");
    expect(await (await user(ALICE, { token }))?.current(testContext())).toBe(token);
    await expect(user({ ...ALICE, OS_CLOUD: "prod" })).rejects.toMatchObject({ code: "ConfigInvalid" });
  });

  it("carry region, interface, time-out and TLS", async () => {
    const session = (await user({
      ...ALICE,
      OS_AUTH_URL: "https://ks:5000/v3/",
      OS_REGION_NAME: "R",
      OS_INTERFACE: "internalURL",
      OS_CACERT: "~/ca.pem",
      OS_CERT: "cert.pem",
      OS_API_TIMEOUT: "2.5",
    })) as KeystoneSession;
    expect(session).toMatchObject({ authUrl: "https://ks:5000/v3", region: "R", interface: "internal" });
    expect(session.http).toMatchObject({
      caFile: join(folder, "home/ca.pem"),
      certFile: join(folder, "cert.pem"),
      timeoutMs: 2500,
      insecure: false,
    });
  });

  it.each([
    [{ ...ALICE }, "OS_AUTH_URL is missing"],
    [{ ...ALICE, OS_AUTH_URL: "ks:5000" }, "OS_AUTH_URL must be an http or https URL"],
    [{ ...ALICE, OS_AUTH_URL: "http://u:hidden@ks" }, "OS_AUTH_URL must be"],
    [{ ...ALICE, OS_AUTH_URL: "http://ks", OS_PASSWORD: "" }, "OS_PASSWORD is missing"],
    [{ ...ALICE, OS_AUTH_URL: "http://ks", OS_USERNAME: "" }, "OS_USERNAME or OS_USER_ID is missing"],
    [
      { ...ALICE, OS_AUTH_URL: "http://ks", OS_AUTH_TYPE: "v3oidc" },
      "OS_AUTH_TYPE = v3oidc is not supported",
    ],
    [{ ...ALICE, OS_AUTH_URL: "http://ks", OS_INTERFACE: "outer" }, "the interface outer is none of"],
    [{ ...ALICE, OS_AUTH_URL: "http://ks", OS_INSECURE: "maybe" }, "OS_INSECURE must be true or false"],
  ] as [Env, string][])("that lack something say what %#", async (env, words) => {
    const error = await failureOf(user(env));
    expect(error).toMatchObject({ code: "UsageError" });
    expect(String(error)).toContain(words);
    expect(inspect(error, { depth: 10, showHidden: true })).not.toMatch(/pw-of-alice|hidden/);
  });
});

describe("clouds.yaml", () => {
  const write = (name: string, content: string) => writeFile(join(folder, name), content);
  const cloud = { auth: { username: "alice", user_domain_id: "d", project_id: "p" }, region_name: "R1" };

  it("that merely lies there is nobody", async () => {
    await write("clouds.yaml", JSON.stringify({ clouds: { prod: cloud } }));
    expect(await user({})).toBeUndefined();
  });

  it("is merged with secure.yaml, mapping by mapping; the environment's region goes first", async () => {
    await using server = await fakeKeystone({ trouble: undefined, life: 3600 });
    await write("clouds.yaml", JSON.stringify({ clouds: { prod: { ...cloud, verify: false } } }));
    await write("secure.yaml", `clouds: {prod: {auth: {password: "x: y", auth_url: "${server.url}"}}}`);
    const session = (await user({ OS_REGION_NAME: "R2" }, { cloud: "prod" })) as KeystoneSession;
    expect(session).toMatchObject({ region: "R2", interface: "public", http: { insecure: true } });
    await session.current(testContext());
    expect(JSON.parse(server.seen.at(-1)!.body.toString())).toMatchObject({
      auth: {
        identity: { password: { user: { name: "alice", domain: { id: "d" }, password: "x: y" } } },
        scope: { project: { id: "p" } },
      },
    });
  });

  it("is searched here, then at home, then where OS_CLIENT_CONFIG_FILE says first of all", async () => {
    const at = (url: string) =>
      JSON.stringify({ clouds: { c: { auth: { ...cloud.auth, password: "p", auth_url: url } } } });
    const urlOf = async (env: Env) => ((await user({ OS_CLOUD: "c", ...env })) as KeystoneSession).authUrl;
    await mkdir(join(folder, "home/.config/openstack"), { recursive: true });
    await write("home/.config/openstack/clouds.yaml", at("http://home"));
    expect(await urlOf({})).toBe("http://home/v3");
    await write("clouds.yml", at("http://here"));
    expect(await urlOf({})).toBe("http://here/v3");
    await write("mine.json", at("http://mine"));
    expect(await urlOf({ OS_CLIENT_CONFIG_FILE: join(folder, "mine.json") })).toBe("http://mine/v3");
  });

  it("may list regions with settings of their own", async () => {
    const regions = [{ name: "A" }, { name: "B", values: { auth: { auth_url: "http://b" } } }];
    const auth = { ...cloud.auth, password: "p", auth_url: "http://a" };
    await write("clouds.yaml", JSON.stringify({ clouds: { c: { auth, regions } } }));
    const [first, second] = await Promise.all(
      [{}, { OS_REGION_NAME: "B" }].map((env) => user({ OS_CLOUD: "c", ...env })),
    );
    expect(first).toMatchObject({ region: "A", authUrl: "http://a/v3" });
    expect(second).toMatchObject({ region: "B", authUrl: "http://b/v3" });
  });

  it.each([
    ["clouds: {a: {auth: {password: hidden}", "line 1: not YAML"],
    ["clouds: {other: {auth: {password: hidden}}}", 'there is no cloud "c" in'],
    ["clouds: [hidden]", '"clouds" is not what it should be'],
    ["clouds: {c: {profile: rax, auth: {password: hidden}}}", "refers to a vendor's profile"],
    ["clouds: {c: {auth: {password: hidden}}}", "auth_url is missing"],
    ["x: &x hidden\nclouds: *y\n", "not YAML"],
  ])("with a mistake says which, and shows no password: %s", async (content, words) => {
    await write("clouds.yaml", content);
    const error = await failureOf(user({ OS_CLOUD: "c" }));
    expect(error).toMatchObject({ code: "ConfigInvalid" });
    expect(String(error)).toContain(words);
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain("hidden");
  });
});
