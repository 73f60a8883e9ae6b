import { describe, expect, expectTypeOf, test } from "vitest";
import type { HostConfig } from "./host-config.ts";
import { parseConfig } from "./parse-config.ts";

function parse(...contents: string[]): HostConfig {
  return parseConfig(contents.map((content, index) => ({ file: `f${index + 1}`, content })));
}

describe("values", () => {
  test("defaults are Nova's, and ours", () => {
    const config = parse();
    expect(config.DEFAULT.instances_path).toBe("/var/lib/nova/instances");
    expect(config.DEFAULT.use_cow_images).toBe(true);
    expect(config.libvirt.images_type).toBe("default");
    expect(config.libvirt.images_volume_group).toBeUndefined();
    expect(config.libvirt.snapshots_directory).toBe("/var/lib/nova/instances/snapshots");
    expect(config.luksmith.images_path).toBe("/var/lib/luksmith/images");
    expect(config.luksmith.plugins).toEqual([
      "@luksmith/backend-raw",
      "@luksmith/backend-qcow2",
      "@luksmith/keymgr-local",
    ]);
    expect(config.luksmith.key_encryption_key_file).toBe("");
    expect(config.warnings).toEqual([]);
  });

  test("their types follow from the table", () => {
    const config = parse();
    expectTypeOf(config.luksmith.pbkdf_iterations).toEqualTypeOf<number>();
    expectTypeOf(config.luksmith.verify).toEqualTypeOf<"unlock" | "header">();
    expectTypeOf(config.DEFAULT.instances_path).toEqualTypeOf<string>();
    expectTypeOf(config.libvirt.images_volume_group).toEqualTypeOf<string | undefined>();
    expectTypeOf(config.libvirt.snapshot_image_format).toEqualTypeOf<
      "raw" | "qcow2" | "vmdk" | "vdi" | undefined
    >();
    expectTypeOf(config.libvirt.hw_machine_type).toEqualTypeOf<readonly string[]>();
  });

  test("every kind of value", () => {
    const config = parse(`[DEFAULT]
state_path = /srv/nova
use_cow_images = Off
[libvirt]
volume_clear_size = +1_000
hw_machine_type = x86_64=q35, aarch64=virt,
volume_clear = none
rbd_user =
[luksmith]
state_path = /srv/luksmith
`);
    expect(config.DEFAULT.instances_path).toBe("/srv/nova/instances");
    expect(config.DEFAULT.use_cow_images).toBe(false);
    expect(config.libvirt.volume_clear_size).toBe(1000);
    expect(config.libvirt.hw_machine_type).toEqual(["x86_64=q35", "aarch64=virt"]);
    expect(config.libvirt.volume_clear).toBe("none");
    expect(config.libvirt.rbd_user).toBe("");
    expect(config.luksmith.images_path).toBe("/srv/luksmith/images");
  });

  test("an empty number is the default, an empty optional path is empty", () => {
    const config = parse("[compute]\nmax_disk_devices_to_attach =\n[luksmith]\nkey_encryption_key_file =\n");
    expect(config.compute.max_disk_devices_to_attach).toBe(-1);
    expect(config.luksmith.key_encryption_key_file).toBe("");
  });

  test("the last file and the last line win, and say so", () => {
    const config = parse(
      "[libvirt]\nvolume_clear = none\nimages_type = lvm\n",
      "[libvirt]\nimages_type = qcow2\nimages_type = raw\n",
    );
    expect(config.libvirt.images_type).toBe("raw");
    expect(config.files).toEqual(["f1", "f2"]);
    const sources = Object.fromEntries(config.entries().map((e) => [`${e.section}.${e.name}`, e.source]));
    expect(sources["libvirt.images_type"]).toEqual({ file: "f2", line: 3 });
    expect(sources["libvirt.volume_clear"]).toEqual({ file: "f1", line: 2 });
    expect(sources["libvirt.virt_type"]).toBe("default");
  });

  test("a default follows what a later file sets", () => {
    const config = parse("[DEFAULT]\ninstances_path = $state_path/i\n", "[DEFAULT]\nstate_path = /x\n");
    expect(config.DEFAULT.instances_path).toBe("/x/i");
  });
});

describe("deprecated options", () => {
  test("warn once each, with the place and the replacement", () => {
    const config = parse(`[ephemeral_storage_encryption]
enabled = false
enabled = true
cipher = aes-cbc-essiv:sha256
key_size = 256
default_format = luks
`);
    expect(config.warnings.map((w) => `${w.file}:${w.line} ${w.name}`)).toEqual([
      "f1:3 enabled",
      "f1:4 cipher",
      "f1:5 key_size",
    ]);
    for (const { message } of config.warnings) {
      expect(message).toMatch(
        /is deprecated since .*hw:ephemeral_encryption.*images_type that supports LUKS/,
      );
    }
    expect(config.ephemeral_storage_encryption.enabled).toBe(true);
    const entry = config.entries().find(({ name }) => name === "cipher");
    expect(entry?.deprecated?.since).toBe("Luksmith 1.0.0");
  });
});
