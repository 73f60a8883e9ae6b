import { describe, expect, test } from "vitest";
import { libvirtAddress } from "./socket-path.ts";

const SYSTEM = ["/run/libvirt/virtqemud-sock", "/run/libvirt/libvirt-sock"];

describe("libvirtAddress", () => {
  test.each([
    ["", SYSTEM, "qemu:///system"],
    ["qemu:///system", SYSTEM, "qemu:///system"],
    ["qemu+unix:///system", SYSTEM, "qemu:///system"],
    ["qemu+unix:///system?socket=/a b/c.sock", ["/a b/c.sock"], "qemu:///system"],
    ["qemu+unix:///system?socket=%2Frun%2Fx&mode=legacy", ["/run/x"], "qemu:///system"],
    [
      "qemu:///session",
      ["/run/user/7/libvirt/virtqemud-sock", "/run/user/7/libvirt/libvirt-sock"],
      "qemu:///session",
    ],
  ])("of %s", (given, sockets, uri) => {
    expect(libvirtAddress(given, { XDG_RUNTIME_DIR: "/run/user/7" })).toEqual({ sockets, uri });
  });

  test("of a session without a runtime directory", () => {
    expect(libvirtAddress("qemu:///session", { HOME: "/home/u" }).sockets.at(-1)).toBe(
      "/home/u/.cache/libvirt/libvirt-sock",
    );
  });

  test.each([
    ["qemu+ssh://root@host/system", /another host/],
    ["qemu+tls://host/system", /another host/],
    ["qemu+tcp://host/system", /another host/],
    ["qemu://host/system", /another host/],
    ["qemu+ext:///system?command=nc", /another host/],
    ["lxc:///", /only QEMU/],
    ["test:///default", /only QEMU/],
    ["xen:///system", /only QEMU/],
    ["qemu:///embed?root=/x", /\/system and \/session/],
    ["/run/libvirt/libvirt-sock", /no URI/],
  ])("refuses %s", (given, why) => {
    const refused = () => libvirtAddress(given, {});
    expect(refused).toThrow(why);
    expect(refused).toThrow(expect.objectContaining({ code: "LibvirtUriUnsupported", retryable: false }));
  });
});
