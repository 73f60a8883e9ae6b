import { describe, expect, test } from "vitest";
import plugin from "../src/index.ts";
import { optionsOf } from "./vault-bench.ts";

const TOKEN = { token_file: "/etc/luksmith/vault-token" };

describe("the configuration", () => {
  test("has Vault's own defaults", () => {
    expect(optionsOf({ url: "https://vault.example:8200/v1/", ...TOKEN })).toEqual({
      url: "https://vault.example:8200",
      mount: "secret",
      prefix: "luksmith",
      auth_mount: "approle",
      timeout: 30,
      max_concurrent: 16,
      ...TOKEN,
    });
  });

  test.each([
    ["no URL", {}, /url/],
    ["http to another host", { url: "http://vault.example" }, /must be https/],
    ["another protocol", { url: "ftp://vault.example" }, /must be a URL with https/],
    ["no credentials", { url: "https://v", token_file: undefined }, /either token_file, or role_id/],
    ["half a role", { url: "https://v", token_file: undefined, role_id: "x" }, /either token_file/],
    ["both", { url: "https://v", role_id: "x", secret_id_file: "/x" }, /either token_file/],
    ["a relative file", { url: "https://v", ca_file: "ca.pem" }, /must be an absolute path/],
    ["a mount that leads elsewhere", { url: "https://v", mount: "a/../sys" }, /names with/],
    ["a prefix with a query", { url: "https://v", prefix: "a?b" }, /names with/],
    ["a typing error", { url: "https://v", namespcae: "x" }, /namespcae/],
    ["no time at all", { url: "https://v", timeout: "0" }, /timeout/],
    ["a time that is none", { url: "https://v", timeout: "soon" }, /timeout/],
  ])("refuses %s", (_, section, message) => {
    expect(() => optionsOf({ ...TOKEN, ...section })).toThrow(message);
  });

  test.each(["http://127.0.0.1:8200", "http://localhost:8200", "http://[::1]:8200"])("takes %s", (url) => {
    expect(optionsOf({ url, ...TOKEN }).url).toBe(url);
  });

  test("leaves other sections to others", async () => {
    const own = { url: "https://v", ...TOKEN };
    const sections = {
      "luksmith:keymgr-vault": own,
      DEFAULT: { instances_path: "/x" },
      libvirt: { any: true },
    };
    const result = await plugin.config["~standard"].validate({ sections, statePath: "/x" });
    expect(result.issues).toBeUndefined();
  });
});
