import { Hypervisors, type PluginSettings, type Registrar } from "@luksmith/core";
import { testContext } from "@luksmith/testkit";
import { describe, expect, test } from "vitest";
import plugin, { LibvirtHypervisor } from "../src/plugin.ts";

const settings = (sections: PluginSettings["sections"]): PluginSettings => ({
  sections,
  statePath: "/state",
});

describe("@luksmith/libvirt/plugin", () => {
  test("provides a hypervisor, and connects to nothing until it is asked", () => {
    const provided: string[] = [];
    const registrar: Registrar = {
      provide: (of) => void provided.push(of.id),
      contribute: () => {},
    };
    plugin.register(registrar, { uri: "qemu+unix:///system?socket=/nowhere/libvirt-sock" });
    expect(provided).toEqual([Hypervisors.id]);
  });

  test.each([
    [{}, ""],
    [{ libvirt: { connection_uri: "" } }, ""],
    [{ libvirt: { connection_uri: "qemu:///session" } }, "qemu:///session"],
  ])("takes %j", async (sections, uri) => {
    expect(await plugin.config["~standard"].validate(settings(sections))).toEqual({ value: { uri } });
  });

  test.each([
    [{ libvirt: { connection_uri: "qemu+ssh://elsewhere/system" } }, "connection_uri"],
    [{ libvirt: { connection_uri: "xen:///" } }, "connection_uri"],
    [{ "luksmith:libvirt": { retries: "3" } }, "retries"],
  ])("refuses %j before anything runs", async (sections, option) => {
    const { issues } = await plugin.config["~standard"].validate(settings(sections));
    expect(issues).toMatchObject([{ path: expect.arrayContaining([option]) }]);
  });

  test("says that libvirt is not there, each time that it is asked", async () => {
    using hypervisor = new LibvirtHypervisor("qemu+unix:///system?socket=/nowhere/libvirt-sock");
    for (const _ of [1, 2]) {
      const state = hypervisor.state("11111111-1111-4111-8111-111111111111", testContext());
      await expect(state).rejects.toMatchObject({ code: "LibvirtUnavailable" });
    }
  });
});
