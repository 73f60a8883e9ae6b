import type { PluginSettings } from "@luksmith/core";
import { describe, expect, test } from "vitest";
import { type GlanceConfig, GlanceConfigSchema } from "./config.ts";

type Sections = PluginSettings["sections"];

async function parse(sections: Sections): Promise<GlanceConfig | readonly string[]> {
  const result = await GlanceConfigSchema["~standard"].validate({ statePath: "/var/lib/luksmith", sections });
  if (!result.issues) return result.value;
  return result.issues.map(({ path = [] }) => path.filter((part) => typeof part === "string").join("."));
}

describe("the configuration", () => {
  test("has Nova's defaults", async () => {
    expect(await parse({ luksmith: { plugins: [] } })).toMatchObject({
      apiServers: [],
      retries: 3,
      sendServiceToken: false,
      directory: "/var/lib/luksmith/glance",
      maxDownloads: 4,
      allowMissingHash: false,
    });
  });

  test("takes what is set", async () => {
    const sections = {
      glance: { api_servers: "http://a:9292/v2, b:9292 ,https://c/image/", num_retries: "0", other: "x" },
      service_user: { send_service_user_token: "True", password: "x" },
      "luksmith:images-glance": { directory: "/srv/images/", max_downloads: "1", allow_missing_hash: "yes" },
    };
    expect(await parse(sections)).toMatchObject({
      apiServers: ["http://a:9292", "http://b:9292", "https://c/image"],
      retries: 0,
      sendServiceToken: true,
      directory: "/srv/images",
      maxDownloads: 1,
      allowMissingHash: true,
    });
  });

  test.each([
    [{ glance: { api_servers: "ftp://a" } }, "sections.glance.api_servers"],
    [{ glance: { api_servers: "http://" } }, "sections.glance.api_servers"],
    [{ glance: { num_retries: "-1" } }, "sections.glance.num_retries"],
    [{ glance: { num_retries: "many" } }, "sections.glance.num_retries"],
    [{ "luksmith:images-glance": { directory: "here" } }, "sections.luksmith:images-glance.directory"],
    [{ "luksmith:images-glance": { max_downloads: "0" } }, "sections.luksmith:images-glance.max_downloads"],
    [
      { "luksmith:images-glance": { allow_missing_hash: "so" } },
      "sections.luksmith:images-glance.allow_missing_hash",
    ],
    [{ "luksmith:images-glance": { max_download: "2" } }, "sections.luksmith:images-glance"],
  ])("refuses %j", async (sections: Sections, path) => {
    expect(await parse(sections)).toEqual([path]);
  });
});
