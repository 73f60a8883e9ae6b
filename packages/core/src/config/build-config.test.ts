import { describe, expect, test } from "vitest";
import type { HostConfig } from "./host-config.ts";
import { OPTIONS } from "./options.ts";
import { parseConfig } from "./parse-config.ts";

function parse(...contents: string[]): HostConfig {
  return parseConfig(contents.map((content, index) => ({ file: `f${index + 1}`, content })));
}

describe("for plugins", () => {
  const config = parse(`[placement]
username = nova
password = hunter2
auth_url = https://u:hunter3@keystone/v3
[luksmith:acme]
api-token = hunter4
pool = a$$b
[libvirt]
rbd_secret_uuid = 2a5b08e4-3dca-4ff9-9a1d-40389758d081
future_option = yes
[glance]
api_servers = http://$my_ip:9292
[__proto__]
polluted = yes
`);

  test("settings hold defaults, typed values and every text, passwords too", () => {
    const { sections, statePath } = config.settings();
    expect(statePath).toBe("/var/lib/luksmith");
    expect(sections["placement"]?.["password"]).toBe("hunter2");
    expect(sections["luksmith:acme"]?.["pool"]).toBe("a$b");
    expect(sections["libvirt"]?.["future_option"]).toBe("yes");
    expect(sections["libvirt"]?.["sparse_logical_volumes"]).toBe(false);
    expect(sections["libvirt"]).not.toHaveProperty("rbd_user");
    expect(sections["glance"]?.["api_servers"]).toBe("http://$my_ip:9292");
    expect(sections["constructor"]).toBeUndefined();
    expect(Object.hasOwn(sections, "__proto__")).toBe(true);
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });

  test("a reference reaches what a file sets, known to us or not", () => {
    const text = "[DEFAULT]\nmy_ip = 10.0.0.1\n[glance]\napi_servers = http://$my_ip:9292\n";
    expect(parse(text).settings().sections["glance"]?.["api_servers"]).toBe("http://10.0.0.1:9292");
  });

  test("entries show every option of the table and those sections, without secrets", () => {
    const entries = config.entries();
    expect(entries.slice(0, OPTIONS.length).map((e) => e.name)).toEqual(OPTIONS.map((o) => o.name));
    expect(entries.slice(OPTIONS.length).map((e) => `${e.section}.${e.name} = ${String(e.value)}`)).toEqual([
      "placement.username = nova",
      "placement.password = [redacted]",
      "placement.auth_url = https://u:[redacted]@keystone/v3",
      "luksmith:acme.api-token = [redacted]",
      "luksmith:acme.pool = a$b",
      "glance.api_servers = http://$my_ip:9292",
    ]);
    expect(entries.filter((e) => e.secret).map((e) => e.name)).toEqual(["password", "api-token"]);
    expect(entries.find((e) => e.name === "rbd_secret_uuid")?.value).toMatch(/^2a5b08e4/);
    expect(JSON.stringify([config, entries])).not.toContain("hunter");
  });
});
