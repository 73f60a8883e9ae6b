import { describe, expect, test } from "vitest";
import { parseTable } from "./dm-mapping.ts";
import plugin from "./index.ts";
import { optionsToTry, plainOptionsOf } from "./plain-options.ts";

const settings = (cipher: string, key_size: number, own: Record<string, string> = {}) => ({
  sections: {
    libvirt: { images_volume_group: "vg" },
    ephemeral_storage_encryption: { cipher, key_size },
    "luksmith:legacy-dmcrypt": own,
  },
  statePath: "/nonexistent",
});

describe("the plugin's configuration", () => {
  test("takes Nova's, and pins the hash", async () => {
    expect(await plugin.config["~standard"].validate(settings("aes-xts-plain64", 512))).toEqual({
      value: { options: { cipher: "aes-xts-plain64", key_size: 512, hash: "ripemd160" }, volumeGroup: "vg" },
    });
  });

  test.each([
    ["a cipher that is none", settings("aes", 512)],
    ["a cipher that cannot be read without the kernel", settings("twofish-xts-plain64", 512)],
    ["a key that does not fit", settings("aes-xts-plain64", 192)],
    ["a hash that is none", settings("aes-xts-plain64", 512, { hash: "md5" })],
    ["an option that is none", settings("aes-xts-plain64", 512, { hsah: "sha256" })],
  ])("refuses %s", async (_, wrong) => {
    expect((await plugin.config["~standard"].validate(wrong)).issues?.length).toBeGreaterThan(0);
  });
});

describe("what opens a disk", () => {
  const defaults = { cipher: "aes-xts-plain64", key_size: 512, hash: "sha256" } as const;

  test("of Nova's is tried with the hashes that cryptsetup had, unless one is given", () => {
    expect(optionsToTry({}, defaults).map(({ hash }) => hash)).toEqual(["ripemd160", "sha256"]);
    expect(optionsToTry({ hash: "sha512", key_size: 256 }, defaults)).toEqual([
      { cipher: "aes-xts-plain64", key_size: 256, hash: "sha512" },
    ]);
    expect(() => optionsToTry({ hash: "md5" }, defaults)).toThrow("opens no disk");
  });

  test("is never guessed", () => {
    const disk = { instanceUuid: "i", name: "disk", uuid: "u", virtualSize: 512n };
    const encryption = { format: "plain", secretId: "s" } as const;
    expect(() => plainOptionsOf({ ...disk, encryption })).toThrow("is not recorded");
    expect(plainOptionsOf({ ...disk, encryption: { ...encryption, options: defaults } })).toEqual(defaults);
  });
});

test("parseTable reads the kernel's line, and nothing else", () => {
  const key = "0".repeat(128);
  expect(parseTable(`0 131072 crypt aes-xts-plain64 ${key} 0 98:0 0\n`)).toEqual({
    cipher: "aes-xts-plain64",
    bytes: 67_108_864n,
    device: "98:0",
  });
  expect(parseTable(`0 131072 crypt aes-xts-plain64 ${key} 0 98:0 0 1 allow_discards`)).toBeDefined();
  expect(parseTable("0 8 linear 98:0 0")).toBeUndefined();
  expect(parseTable(`0 8 crypt aes-xts-plain64 ${key} 0 98:0 2048`)).toBeUndefined();
  expect(parseTable("")).toBeUndefined();
});
