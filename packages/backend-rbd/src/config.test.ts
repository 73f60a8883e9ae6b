import { describe, expect, test } from "vitest";
import { RbdConfig, rbdOptions } from "./config.ts";

const libvirt = { images_rbd_pool: "vms", images_rbd_ceph_conf: "" };
const parse = (own: Record<string, string> = {}, nova: Record<string, string> = {}) =>
  RbdConfig.safeParse({ sections: { libvirt: { ...libvirt, ...nova }, "luksmith:backend-rbd": own } });

describe("the configuration", () => {
  test("has defaults, and needs no section of its own", () => {
    const options = rbdOptions(RbdConfig.parse({ sections: { libvirt } }));
    expect(options).toMatchObject({ pool: "vms", namespace: "", engine: "qemu", user: undefined });
    expect(options.layout).toMatchObject({ order: 22, features: undefined });
  });

  test("takes features by their names, and how images are striped", () => {
    const own = {
      features: "layering, striping,exclusive-lock",
      object_size: "1048576",
      stripe_unit: "65536",
      stripe_count: "4",
    };
    const { data } = parse(own);
    expect(data && rbdOptions(data).layout).toMatchObject({
      order: 20,
      features: 7,
      stripeUnit: 65_536,
      stripeCount: 4,
    });
  });

  test.each([
    [{ features: "layering, speed" }, {}],
    [{ object_size: "5000000" }, {}],
    [{ stripe_unit: "65536" }, {}],
    [{ stripe_unit: "65537", stripe_count: "2" }, {}],
    [{ encryption_engine: "librbd", object_size: "8388608" }, {}],
    [{ encryption_engine: "kernel" }, {}],
    [{ colour: "red" }, {}],
    [{ namespace: "a/b" }, {}],
    [{ operation_timeout: "0" }, {}],
    [{}, { images_rbd_pool: "vms/x" }],
    [{}, { images_rbd_ceph_conf: "ceph.conf" }],
  ])("refuses %o %o", (own, nova) => {
    expect(parse(own as Record<string, string>, nova as Record<string, string>).success).toBe(false);
  });
});
