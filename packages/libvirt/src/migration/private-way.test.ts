import { describe, expect, test } from "vitest";
import type { MigrationWay } from "../libvirt-migrations.ts";
import { requirePrivateWay, socketsOf } from "./private-way.ts";

const SOCKETS = {
  destinationUri: "qemu+unix:///system?socket=/run/to-b/libvirt",
  migrateUri: "unix:///run/to-b/memory",
  disksUri: "unix:///run/to-b/disks",
};
const TLS = { destinationUri: "qemu+tls://b.example/system", tls: true };

function codeOf(way: MigrationWay): string | undefined {
  try {
    requirePrivateWay(way);
    return undefined;
  } catch (error) {
    return (error as { code?: string }).code;
  }
}

describe("the way of a running guest", () => {
  test.each<[string, MigrationWay]>([
    ["sockets", SOCKETS],
    ["sockets, control by ssh", { ...SOCKETS, destinationUri: "qemu+ssh://b.example/system" }],
    ["TLS, wherever libvirt chooses", TLS],
    ["TLS by TCP", { ...TLS, migrateUri: "tcp://10.0.0.2", disksUri: "tcp://10.0.0.2:49160" }],
    ["TLS by sockets", { ...SOCKETS, tls: true }],
  ])("may be %s", (_name, way) => {
    expect(codeOf(way)).toBeUndefined();
  });

  test.each<[string, MigrationWay]>([
    ["TCP for memory", { ...SOCKETS, migrateUri: "tcp://b.example:49152" }],
    ["TCP for disks", { ...SOCKETS, disksUri: "tcp://b.example:49153" }],
    ["libvirt's choice for memory", { destinationUri: SOCKETS.destinationUri, disksUri: SOCKETS.disksUri }],
    [
      "libvirt's choice for disks",
      { destinationUri: SOCKETS.destinationUri, migrateUri: SOCKETS.migrateUri },
    ],
    ["TCP for control", { ...SOCKETS, destinationUri: "qemu+tcp://b.example/system" }],
    ["TCP for control, else TLS", { ...TLS, destinationUri: "qemu+tcp://b.example/system" }],
  ])("is not %s", (_name, way) => {
    expect(codeOf(way)).toBe("PlaintextCopyRefused");
  });

  test.each<[string, MigrationWay]>([
    ["no URI", { ...SOCKETS, destinationUri: "b.example" }],
    ["another hypervisor's", { ...SOCKETS, destinationUri: "xen://b.example/" }],
    ["this host's own", { ...SOCKETS, destinationUri: "qemu:///system" }],
    ["this host's own socket", { ...SOCKETS, destinationUri: "qemu+unix:///system" }],
    ["a socket without a path", { ...SOCKETS, disksUri: "unix:///" }],
    ["a socket on a host", { ...SOCKETS, disksUri: "unix://b.example/disks" }],
    ["RDMA", { ...TLS, migrateUri: "rdma://b.example" }],
  ])("is not %s", (_name, way) => {
    expect(codeOf(way)).toBe("InvalidRequest");
  });

  test("needs no place for disks that are not copied, and one for memory all the same", () => {
    const { destinationUri, migrateUri } = SOCKETS;
    expect(() => requirePrivateWay({ destinationUri, migrateUri, copyDisks: [] })).not.toThrow();
    for (const way of [
      { destinationUri, migrateUri, copyDisks: ["vda"] },
      { destinationUri, copyDisks: [] },
    ]) {
      expect(codeOf(way)).toBe("PlaintextCopyRefused");
    }
  });

  test("has these sockets", () => {
    expect(socketsOf(SOCKETS)).toEqual(["/run/to-b/memory", "/run/to-b/disks"]);
    expect(socketsOf(TLS)).toEqual([]);
  });
});
