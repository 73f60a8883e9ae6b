import { KeyManagers, type PluginSettings, type Token } from "@luksmith/core";
import { testContext } from "@luksmith/testkit";
import { afterEach, describe, expect, test, vi } from "vitest";
import { temporaryStore } from "../test/temporary-store.ts";
import plugin, { LocalKeyManager } from "./index.ts";

async function configure(settings: Partial<PluginSettings>) {
  return await plugin.config["~standard"].validate({
    statePath: "/var/lib/luksmith",
    sections: {},
    ...settings,
  });
}

describe("keymgr-local plugin", () => {
  afterEach(() => vi.unstubAllEnvs());

  test("keeps its key beside the store by default", async () => {
    expect(
      await configure({ sections: { libvirt: { images_type: "raw" }, luksmith: { verify: true } } }),
    ).toEqual({
      value: { statePath: "/var/lib/luksmith", keyFile: "/var/lib/luksmith/key-encryption-key" },
    });
  });

  test.each([
    ["/etc/luksmith/key", "/etc/luksmith/key"],
    ["/etc/../etc//key", "/etc/key"],
    ["", "/var/lib/luksmith/key-encryption-key"],
  ])("takes [luksmith] key_encryption_key_file = %j", async (path, keyFile) => {
    const sections = { luksmith: { key_encryption_key_file: path } };
    expect(await configure({ sections })).toMatchObject({ value: { keyFile } });
  });

  test.each([
    [{ statePath: "state" }, ["statePath"]],
    [
      { sections: { luksmith: { key_encryption_key_file: "key" } } },
      ["sections", "luksmith", "key_encryption_key_file"],
    ],
    [{ sections: { "luksmith:keymgr-local": { path: "/x" } } }, ["sections", "luksmith:keymgr-local"]],
  ])("refuses %j", async (settings, path) => {
    expect((await configure(settings)).issues).toMatchObject([{ path }]);
  });

  test("provides the key manager without touching anything", async () => {
    const store = temporaryStore();
    const result = await configure({ statePath: store.statePath });
    if (result.issues !== undefined) throw new Error("refused");
    vi.stubEnv("CREDENTIALS_DIRECTORY", store.root);
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
    if (!(keyManager instanceof LocalKeyManager)) throw new Error("no key manager");
    expect(plugin).toMatchObject({ $type: "luksmith.plugin", name: "keymgr-local", apiVersion: 1 });
    await expect(keyManager.delete({ id: "none" }, testContext())).resolves.toBeUndefined();
    expect(Object.keys(store.files())).toContain("key-encryption-key");
    await keyManager.close();
  });
});
