import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type OpenStack, sharedOpenStack } from "@luksmith/testing-services";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MemoryIo } from "./memory-io.ts";
import { type Ran, type Request, TemporaryHost } from "./temporary-host.ts";

let openstack: OpenStack;
let host: TemporaryHost;
beforeAll(async () => {
  openstack = await sharedOpenStack();
  host = await TemporaryHost.create();
  await host.configure(
    "plugins = @luksmith/backend-raw, @luksmith/keymgr-barbican",
    "[barbican]",
    `auth_endpoint = ${openstack.urls.keystone}`,
    `barbican_endpoint = ${openstack.urls.barbican}`,
  );
}, 120_000);
afterAll(() => host[Symbol.asyncDispose]());

interface Given {
  readonly stdin?: string;
  readonly env?: Record<string, string>;
}

/** Writes a request for one small encrypted disk, and creates it as the user that `given` names. */
async function create(argv: readonly string[], given: Given): Promise<Ran & { readonly request: Request }> {
  const request = host.request({ disk: 0, ephemeral: 0, swap: 0 });
  const file = join(host.path, `${request.server.id}.json`);
  writeFileSync(file, JSON.stringify(request));
  const io = new MemoryIo({ cwd: host.path, ...given });
  return { ...(await host.run([...argv, "create", "-f", file, "--json"], io)), request };
}

async function creatorOf({ server }: Request): Promise<string | null | undefined> {
  const secrets = await openstack.listSecrets("alice");
  return secrets.find(({ name }) => name?.includes(server.id))?.creator_id;
}

describe("the user who gives the command", { timeout: 60_000 }, () => {
  test("by a token on standard input, which ends with a newline", async () => {
    const token = await openstack.issueToken("alice");
    const { exitCode, out, err, request } = await create(["--os-token-stdin"], { stdin: `${token}\n` });
    expect([exitCode, err]).toEqual([0, ""]);
    expect(out).not.toContain(token);
    expect(await creatorOf(request)).toBe(openstack.user("alice").id);
  });

  test("by OS_* variables with a password, or with a token", async () => {
    const byPassword = await create([], { env: openstack.environmentFor("dave") });
    expect([byPassword.exitCode, byPassword.err]).toEqual([0, ""]);
    expect(await creatorOf(byPassword.request)).toBe(openstack.user("dave").id);
    const env = { OS_AUTH_URL: openstack.urls.keystone, OS_TOKEN: await openstack.issueToken("alice") };
    const byToken = await create([], { env });
    expect([byToken.exitCode, byToken.err]).toEqual([0, ""]);
    expect(await creatorOf(byToken.request)).toBe(openstack.user("alice").id);
  });

  test("by an entry of clouds.yaml, which goes before the variables", async () => {
    const { name, password, project } = openstack.user("carol");
    const home = join(host.path, "home");
    mkdirSync(join(home, ".config", "openstack"), { recursive: true });
    writeFileSync(
      join(home, ".config", "openstack", "clouds.yaml"),
      JSON.stringify({
        clouds: {
          ours: {
            auth: {
              auth_url: openstack.urls.keystone,
              username: name,
              password,
              project_name: project,
              user_domain_id: "default",
              project_domain_id: "default",
            },
          },
        },
      }),
    );
    const env = { ...openstack.environmentFor("alice"), HOME: home };
    const { exitCode, err, request } = await create(["--os-cloud", "ours"], { env });
    expect([exitCode, err]).toEqual([0, ""]);
    expect(await creatorOf(request)).toBe(openstack.user("carol").id);
    const unknown = await create(["--os-cloud", "theirs"], { env });
    expect(unknown.exitCode).not.toBe(0);
    expect(unknown.err).toContain("theirs");
  });

  test("nobody: says how to say who", async () => {
    const { exitCode, err } = await create([], {});
    expect(exitCode).toBe(77);
    expect(JSON.parse(err)).toMatchObject({ error: { code: "TokenMissing" } });
  });

  test("a wrong password: the account is named, the password is not", async () => {
    const env = { ...openstack.environmentFor("alice"), OS_PASSWORD: "not-the-password-1234" };
    const { exitCode, err } = await create([], { env });
    expect(exitCode).toBe(77);
    expect(JSON.parse(err)).toMatchObject({
      error: { code: "AuthenticationFailed", message: expect.stringContaining("alice") },
    });
    expect(err).not.toContain("not-the-password-1234");
  });

  test.each([
    ["is empty", ""],
    ["is no token", "two words"],
    ["is longer than any token", "x".repeat(20_000)],
  ])("standard input that %s is refused", async (what, stdin) => {
    const { exitCode, err } = await create(["--os-token-stdin"], { stdin });
    expect(exitCode).toBe(64);
    expect(err).toContain(what);
  });

  test("standard input cannot be token and request", async () => {
    const io = new MemoryIo({ cwd: host.path, stdin: "{}" });
    const { exitCode, err } = await host.run(["--os-token-stdin", "create", "-f", "-"], io);
    expect(exitCode).toBe(64);
    expect(err).toContain("not both");
  });
});
