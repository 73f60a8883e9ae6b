import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FaultProxy, type OpenStack, sharedOpenStack } from "@luksmith/testing-services";
import { testContext } from "@luksmith/testkit";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type KeystoneSession, userSession } from "../src/index.ts";
import { openstackCli } from "./openstack-tools.ts";

let openstack: OpenStack;
let folder: string;
beforeAll(async () => {
  openstack = await sharedOpenStack();
}, 180_000);
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "luksmith-clouds-"));
});
afterEach(() => rm(folder, { recursive: true }));

interface Account {
  readonly user: string | undefined;
  readonly project: string | undefined;
}

/** Who we and python's reader take the same files and variables for, with `folder` as directory and home. */
async function both(env: Record<string, string>): Promise<{ ours: Account; theirs: Account }> {
  const full = { HOME: folder, ...env };
  // What is written here always makes a session.
  using session = (await userSession({ env: full, cwd: folder, home: folder })) as KeystoneSession;
  const info = await session.info(testContext());
  const theirs = await openstackCli(full, folder);
  return {
    ours: { user: info.userId, project: info.projectId },
    theirs: { user: theirs.user_id, project: theirs.project_id },
  };
}

const auth = () => ({
  auth_url: openstack.urls.keystone,
  username: "alice",
  user_domain_name: "Default",
  project_name: "demo",
  project_domain_name: "Default",
});

// Python takes seconds to start.
describe("clouds.yaml means the same to `openstack` and to us", { timeout: 120_000 }, () => {
  it("with the password in secure.yaml, elsewhere", async () => {
    await mkdir(join(folder, ".config/openstack"), { recursive: true });
    await writeFile(join(folder, "clouds.yaml"), JSON.stringify({ clouds: { prod: { auth: auth() } } }));
    const { password } = openstack.user("alice");
    const secure = `clouds:\n  prod:\n    auth:\n      password: ${JSON.stringify(password)}\n`;
    await writeFile(join(folder, ".config/openstack/secure.yaml"), secure);
    const { ours, theirs } = await both({ OS_CLOUD: "prod" });
    expect(ours).toEqual(theirs);
  });

  it("without domains, with a project's id, from a named file", async () => {
    const { password, projectId } = openstack.user("bob");
    const cloud = {
      // Without it python takes no default domain.
      identity_api_version: 3,
      auth: { auth_url: openstack.urls.keystone, username: "bob", password, project_id: projectId },
    };
    await writeFile(join(folder, "mine.yaml"), JSON.stringify({ clouds: { x: cloud } }));
    const { ours, theirs } = await both({ OS_CLOUD: "x", OS_CLIENT_CONFIG_FILE: join(folder, "mine.yaml") });
    expect(ours).toEqual(theirs);
  });

  it("with TLS, a private authority, and one domain for both", async () => {
    await using proxy = await FaultProxy.start(openstack.urls.keystone, { tls: true });
    const { password } = openstack.user("alice");
    const cloud = {
      auth: {
        auth_url: proxy.url,
        username: "alice",
        password,
        project_name: "demo",
        domain_name: "Default",
      },
      cacert: proxy.caFile,
    };
    await writeFile(join(folder, "clouds.yaml"), JSON.stringify({ clouds: { x: cloud } }));
    const { ours, theirs } = await both({ OS_CLOUD: "x" });
    expect(ours).toEqual(theirs);
    expect(proxy.count()).toBeGreaterThan(1);
  });

  it("with an application credential", async () => {
    const made = await openstack.createApplicationCredential("alice", {
      name: `oracle-${crypto.randomUUID()}`,
    });
    const cloud = {
      auth_type: "v3applicationcredential",
      auth: {
        auth_url: openstack.urls.keystone,
        application_credential_id: made.id,
        application_credential_secret: made.secret,
      },
    };
    await writeFile(join(folder, "clouds.yml"), JSON.stringify({ clouds: { x: cloud } }));
    const { ours, theirs } = await both({ OS_CLOUD: "x" });
    expect(ours).toEqual(theirs);
  });

  it("and so do the OS_* variables, also without domains", async () => {
    const env = openstack.environmentFor("dave");
    const bare = Object.fromEntries(Object.entries(env).filter(([name]) => !name.includes("DOMAIN")));
    for (const variables of [env, bare]) {
      const { ours, theirs } = await both(variables);
      expect(ours).toEqual(theirs);
    }
  });
});
