import { KeyManagers, type PluginSettings, type Token } from "@luksmith/core";
import { testContext } from "@luksmith/testkit";
import { describe, expect, test } from "vitest";
import plugin, { BarbicanKeyManager } from "./index.ts";

async function configure(sections: PluginSettings["sections"]) {
  return await plugin.config["~standard"].validate({ statePath: "/var/lib/luksmith", sections });
}

const ACCOUNT = { auth_type: "password", auth_url: "http://keystone/v3", username: "nova", password: "x" };

describe("keymgr-barbican plugin", () => {
  test("provides the key manager and asks nobody", async () => {
    const result = await configure({ barbican: { barbican_endpoint: "http://127.0.0.1:1" } });
    if (result.issues !== undefined) throw new Error("refused");
    const provided = new Map<string, () => unknown>();
    plugin.register(
      {
        provide: (of: Token<unknown>, factory: (...none: never[]) => unknown) =>
          void provided.set(of.id, factory),
        contribute: () => {},
      },
      result.value,
    );
    const keyManager = provided.get(KeyManagers.id)?.();
    if (!(keyManager instanceof BarbicanKeyManager)) throw new Error("no key manager");
    expect(plugin).toMatchObject({ $type: "luksmith.plugin", name: "keymgr-barbican", apiVersion: 1 });
    await expect(keyManager.scope(testContext())).rejects.toMatchObject({ code: "TokenMissing" });
    await keyManager.close();
  });
});

describe("keymgr-barbican configuration", () => {
  test("has castellan's defaults", async () => {
    expect(await configure({})).toMatchObject({
      value: {
        endpoint: undefined,
        interface: "public",
        region: undefined,
        authUrl: "http://localhost/identity/v3",
        verify: true,
        caFile: undefined,
        account: undefined,
        sendServiceToken: false,
        consumers: true,
        acl: "project",
        maxConcurrent: 8,
      },
    });
  });

  test("reads every option", async () => {
    const sections = {
      barbican: {
        barbican_endpoint: "https://barbican:9311/",
        barbican_api_version: "v1",
        auth_endpoint: "https://keystone/v3",
        retry_delay: "1",
        number_of_retries: "60",
        verify_ssl: "False",
        verify_ssl_path: "/etc/ssl/ca.pem",
        barbican_endpoint_type: "internal",
        barbican_region_name: "RegionNew",
        send_service_user_token: "true",
        collect_timing: "false",
      },
      barbican_service_user: ACCOUNT,
      "luksmith:keymgr-barbican": {
        consumers: "no",
        acl: "agent",
        timeout: "20",
        max_concurrent: "3",
      },
    };
    expect(await configure(sections)).toMatchObject({
      value: {
        endpoint: "https://barbican:9311",
        interface: "internal",
        region: "RegionNew",
        authUrl: "https://keystone/v3",
        verify: false,
        caFile: "/etc/ssl/ca.pem",
        timeoutMs: 20_000,
        account: "barbican_service_user",
        sendServiceToken: true,
        consumers: false,
        acl: "agent",
        maxConcurrent: 3,
      },
    });
  });

  test("takes empty options for unset ones", async () => {
    const barbican = { barbican_endpoint: "", verify_ssl: "", barbican_region_name: "", retry_delay: "" };
    expect(await configure({ barbican })).toMatchObject({
      value: { endpoint: undefined, verify: true, region: undefined },
    });
  });

  test.each([
    [{ keystone_authtoken: ACCOUNT }, { account: undefined, authUrl: "http://keystone/v3" }],
    [{ service_user: ACCOUNT }, { account: "service_user", authUrl: undefined }],
    [{ service_user: ACCOUNT, barbican_service_user: {} }, { account: "service_user" }],
    [
      { service_user: ACCOUNT, barbican_service_user: { auth_section: "x" } },
      { account: "barbican_service_user" },
    ],
    [{ service_user: { send_service_user_token: "true" } }, { account: undefined }],
  ])("finds Keystone and the account in %j", async (sections, value) => {
    expect(await configure(sections)).toMatchObject({ value });
  });

  test.each([
    [{ barbican: { barbican_endpoint: "barbican:9311" } }, ["barbican", "barbican_endpoint"]],
    [{ barbican: { barbican_endpoint_type: "private" } }, ["barbican", "barbican_endpoint_type"]],
    [{ barbican: { barbican_api_version: "v2" } }, ["barbican", "barbican_api_version"]],
    [{ barbican: { verify_ssl: "maybe" } }, ["barbican", "verify_ssl"]],
    [{ barbican: { verify_ssl_path: "ca.pem" } }, ["barbican", "verify_ssl_path"]],
    [{ barbican: { retry_delay: "soon" } }, ["barbican", "retry_delay"]],
    [{ barbican: { send_service_user_token: "true" } }, ["barbican", "send_service_user_token"]],
    [{ "luksmith:keymgr-barbican": { acl: "agent" } }, ["luksmith:keymgr-barbican", "acl"]],
    [{ "luksmith:keymgr-barbican": { acl: "public" } }, ["luksmith:keymgr-barbican", "acl"]],
    [{ "luksmith:keymgr-barbican": { timeout: "0" } }, ["luksmith:keymgr-barbican", "timeout"]],
    [{ "luksmith:keymgr-barbican": { consumer: "true" } }, ["luksmith:keymgr-barbican"]],
  ])("refuses %j", async (sections: PluginSettings["sections"], path) => {
    const { issues } = await configure(sections);
    expect(issues).toMatchObject([{ path: ["sections", ...path] }]);
  });
});
