import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, test } from "vitest";
import { call, type OpenStack, sharedOpenStack, UnexpectedAnswer, type UserName } from "../src/index.ts";

let openstack: OpenStack;
beforeAll(async () => {
  openstack = await sharedOpenStack();
}, 330_000);

/** @returns the status, also of a refusal */
async function statusOf(answer: Promise<{ readonly status: number }>): Promise<number> {
  try {
    return (await answer).status;
  } catch (error) {
    if (error instanceof UnexpectedAnswer) return error.status;
    throw error;
  }
}

async function createSecret(
  token: string,
  at: "barbican" | "barbican-new" = "barbican",
  name = randomUUID(),
) {
  const { body } = await call("POST", `${openstack.urls[at]}/v1/secrets`, {
    token,
    json: { name, secret_type: "passphrase", payload: "horse-battery", payload_content_type: "text/plain" },
  });
  return (body as { secret_ref: string }).secret_ref;
}

describe("Keystone", () => {
  test("gives a token for a project, with the catalog", async () => {
    const token = await openstack.issueToken("alice");
    const { body } = await call("GET", `${openstack.urls.keystone}/auth/tokens`, {
      token,
      headers: { "x-subject-token": token },
    });
    const { roles, catalog, project } = (body as { token: TokenBody }).token;
    expect(project.id).toBe(openstack.user("alice").projectId);
    expect(roles.map(({ name }) => name).sort()).toEqual(["creator", "member", "reader"]);
    const urls = catalog.flatMap(({ type, endpoints }) =>
      endpoints
        .filter((each) => each.interface === "public")
        .map((each) => `${type} ${each.region} ${each.url}`),
    );
    // Regions that other tests add are here as well.
    expect(urls).toEqual(
      expect.arrayContaining([
        `identity RegionOne ${openstack.urls.keystone}`,
        `key-manager RegionOne ${openstack.urls.barbican}`,
        `key-manager RegionNew ${openstack.urls["barbican-new"]}`,
        `placement RegionOne ${openstack.urls.placement}`,
        `image RegionOne ${openstack.urls.glance}`,
      ]),
    );
  });

  test("adds a region to the catalog", async () => {
    const region = `Region-${randomUUID()}`;
    await openstack.addRegion(region, { barbican: "http://127.0.0.1:1" });
    const { body } = await call("GET", `${openstack.urls.keystone}/auth/catalog`, {
      token: await openstack.issueToken("alice"),
    });
    const endpoints = (body as { catalog: TokenBody["catalog"] }).catalog.flatMap((each) => each.endpoints);
    const added = endpoints.filter((each) => each.region === region);
    expect(added.map((each) => each.url)).toEqual(Array(3).fill("http://127.0.0.1:1"));
  });

  test("keeps its state to its owner", async () => {
    const { stateDirectory } = openstack.info;
    expect((await stat(stateDirectory)).mode & 0o777).toBe(0o700);
    for (const name of await readdir(join(stateDirectory, "db"))) {
      expect((await stat(join(stateDirectory, "db", name))).mode & 0o077).toBe(0);
    }
  });
});

interface TokenBody {
  readonly project: { readonly id: string };
  readonly roles: readonly { readonly name: string }[];
  readonly catalog: readonly {
    readonly type: string;
    readonly endpoints: readonly {
      readonly interface: string;
      readonly region: string;
      readonly url: string;
    }[];
  }[];
}

describe("Barbican", () => {
  test("keeps a secret, and forgets it", async () => {
    const token = await openstack.issueToken("alice");
    const ref = await createSecret(token);
    const headers = { accept: "text/plain" };
    expect((await call("GET", `${ref}/payload`, { token, headers })).body).toBe("horse-battery");
    expect((await openstack.listSecrets("alice")).map((each) => each.secret_ref)).toContain(ref);
    expect(await statusOf(call("DELETE", ref, { token }))).toBe(204);
    expect(await statusOf(call("GET", ref, { token }))).toBe(404);
  });

  // Roles member and creator; only creator; only member; neither.
  test.each([
    ["alice", 201, 201],
    ["carol", 201, 403],
    ["bob", 403, 201],
    ["erin", 403, 403],
  ] as const)("has the older and the newer policy for %s", async (name: UserName, older, newer) => {
    const token = await openstack.issueToken(name);
    const json = { name: "policy", secret_type: "passphrase" };
    const create = (at: "barbican" | "barbican-new") =>
      statusOf(call("POST", `${openstack.urls[at]}/v1/secrets`, { token, json }));
    expect(await create("barbican")).toBe(older);
    expect(await create("barbican-new")).toBe(newer);
  });

  test("has two databases", async () => {
    const name = randomUUID();
    await createSecret(await openstack.issueToken("alice"), "barbican-new", name);
    const named = async (at: "barbican" | "barbican-new") =>
      (await openstack.listSecrets("alice", at)).filter((each) => each.name === name).length;
    expect(await named("barbican-new")).toBe(1);
    expect(await named("barbican")).toBe(0);
  });

  test("obeys a quota", async () => {
    const project = await openstack.createProject(randomUUID(), { alice: ["member", "creator"] });
    await openstack.setBarbicanQuota(project.id, 1);
    const token = await openstack.issueToken("alice", { scope: { project: project.name } });
    await createSecret(token);
    await expect(createSecret(token)).rejects.toThrow(/403 .*[Qq]uota/);
  });

  test("lets an application credential do what its rules say", async () => {
    const { id, secret } = await openstack.createApplicationCredential("alice", {
      name: randomUUID(),
      roles: ["creator"],
      accessRules: [{ service: "key-manager", method: "POST", path: "/v1/secrets" }],
    });
    const identity = { methods: ["application_credential"], application_credential: { id, secret } };
    const answer = await call("POST", `${openstack.urls.keystone}/auth/tokens`, {
      json: { auth: { identity } },
    });
    const token = answer.headers.get("x-subject-token")!;
    const ref = await createSecret(token);
    expect(await statusOf(call("GET", `${ref}/payload`, { token }))).toBe(401);
  });

  test("refuses tokens that are revoked, expired, or for no project", async () => {
    const list = (token: string) =>
      statusOf(call("GET", `${openstack.urls.barbican}/v1/secrets?limit=1`, { token }));
    const token = await openstack.issueToken("alice");
    expect(await list(token)).toBe(200);
    await openstack.revokeToken(token);
    expect(await list(token)).toBe(401);
    expect(await list(await openstack.issueToken("alice", { expiresInSeconds: -1 }))).toBe(401);
    expect(await list(await openstack.issueToken("alice", { expiresInSeconds: 600 }))).toBe(200);
    // Barbican's own mistake; it should be 401 or 403.
    expect(await list(await openstack.issueToken("alice", { scope: "unscoped" }))).toBe(500);
  });

  test("answers OpenStack's own client", async () => {
    const name = randomUUID();
    await createSecret(await openstack.issueToken("alice"), "barbican", name);
    const { stdout } = await promisify(execFile)(
      "/usr/bin/openstack",
      ["secret", "list", "--name", name, "-f", "json"],
      { env: openstack.environmentFor("alice"), timeout: 120_000 },
    );
    expect(JSON.parse(stdout)).toMatchObject([{ Name: name }]);
  }, 130_000);
});

describe("Placement", () => {
  test("knows the traits of encrypted ephemeral disks", async () => {
    const { body } = await call(
      "GET",
      `${openstack.urls.placement}/traits?name=startswith:COMPUTE_EPHEMERAL`,
      {
        token: await openstack.issueToken("hostadmin"),
        headers: { "openstack-api-version": "placement 1.39" },
      },
    );
    expect((body as { traits: string[] }).traits).toContain("COMPUTE_EPHEMERAL_ENCRYPTION_LUKS");
  });

  test("gives a new provider no traits, and keeps those that it is given", async () => {
    const provider = await openstack.createResourceProvider(randomUUID());
    expect(await openstack.traitsOf(provider)).toEqual([]);
    const traits = ["COMPUTE_EPHEMERAL_ENCRYPTION"];
    const put = async (name: UserName) =>
      call("PUT", `${openstack.urls.placement}/resource_providers/${provider}/traits`, {
        token: await openstack.issueToken(name),
        headers: { "openstack-api-version": "placement 1.39" },
        json: { resource_provider_generation: 0, traits },
      });
    expect(await statusOf(put("alice"))).toBe(403);
    expect(await statusOf(put("hostadmin"))).toBe(200);
    expect(await openstack.traitsOf(provider)).toEqual(traits);
  });
});
