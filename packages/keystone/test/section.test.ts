import { inspect } from "node:util";
import type { PluginSettings } from "@luksmith/core";
import { describe, expect, it } from "vitest";
import { sectionAdapter, sectionHttp, sectionSession } from "../src/index.ts";
import { failureOf } from "./client.ts";
import { loginOf } from "./login-of.ts";

describe("a section in keystoneauth's style", () => {
  const settings = (sections: PluginSettings["sections"]): PluginSettings => ({ sections, statePath: "/s" });
  const account = {
    auth_type: "password",
    username: "nova",
    password: "pw-of-nova",
    user_domain_name: "Default",
    project_name: "service",
    project_domain_name: "Default",
  };

  it("is an account, or none", async () => {
    expect(sectionSession(settings({ placement: { region_name: "R" } }), "placement")).toBeUndefined();
    expect(sectionSession(settings({}), "placement")).toBeUndefined();
    const login = await loginOf((auth_url) =>
      Promise.resolve(sectionSession(settings({ placement: { ...account, auth_url } }), "placement")),
    );
    expect(login).toMatchObject({
      auth: {
        identity: {
          password: { user: { name: "nova", domain: { name: "Default" }, password: "pw-of-nova" } },
        },
        scope: { project: { name: "service", domain: { name: "Default" } } },
      },
    });
  });

  it("may refer to another section for the account, and keeps its own connection options", () => {
    const sections = {
      service_user: { auth_section: "keystone_authtoken", cafile: "/own.pem", timeout: "7" },
      keystone_authtoken: { ...account, auth_url: "https://ks/identity/v3", cafile: "/other.pem" },
    };
    using session = sectionSession(settings(sections), "service_user")!;
    expect(session.authUrl).toBe("https://ks/identity/v3");
    expect(session.http).toMatchObject({ caFile: "/own.pem", timeoutMs: 7000 });
  });

  it.each([
    [{ ...account }, "[p]: auth_url is missing"],
    [
      { ...account, auth_url: "http://ks", user_domain_name: "" },
      "user_domain_name or user_domain_id is missing",
    ],
    [{ ...account, auth_url: "http://ks", auth_type: "none" }, "auth_type = none is not supported"],
    [{ ...account, auth_url: "http://ks", password: "" }, "password is missing"],
    [{ ...account, auth_url: "http://ks", timeout: "soon" }, "timeout must be a number of seconds"],
    [{ auth_section: "nowhere" }, "that section has no auth_url"],
  ])("that lacks something says what %#", async (p, words) => {
    const error = await failureOf(Promise.resolve().then(() => sectionSession(settings({ p }), "p")));
    expect(error).toMatchObject({ code: "ConfigInvalid" });
    expect(String(error)).toContain(words);
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain("pw-of-nova");
  });

  it("says where the service is", () => {
    const p = {
      valid_interfaces: ["admin", "publicURL"],
      "region-name": "R",
      endpoint_override: "http://x/placement/",
      connect_retries: "2",
      status_code_retry_delay: "0.5",
      insecure: true,
    };
    const adapter = sectionAdapter(settings({ p }), "p", { serviceTypes: ["placement"] });
    expect(adapter).toMatchObject({
      interfaces: ["admin", "public"],
      region: "R",
      endpointOverride: "http://x/placement",
      serviceTypes: ["placement"],
      connectRetries: 2,
      statusCodeRetryDelayMs: 500,
    });
    expect(sectionHttp(settings({ p }), "p")).toMatchObject({ insecure: true, timeoutMs: 60_000 });
    expect(sectionAdapter(settings({}), "p", { serviceTypes: ["placement"] })).toMatchObject({
      interfaces: ["internal", "public"],
      region: undefined,
    });
  });
});
