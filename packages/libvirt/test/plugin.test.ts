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
    plugin.register(registrar, { uri: "qemu+unix:///system?socket=/nowhere/libvirt-sock", timeoutMs: 1000 });
    expect(provided).toEqual([Hypervisors.id]);
  });

  test.each([
    [{}, "", 30_000],
    [{ libvirt: { connection_uri: "" } }, "", 30_000],
    [{ libvirt: { connection_uri: "qemu:///session" } }, "qemu:///session", 30_000],
    [{ "luksmith:libvirt": { timeout: "5" } }, "", 5000],
  ])("takes %j", async (sections, uri, timeoutMs) => {
    expect(await plugin.config["~standard"].validate(settings(sections))).toEqual({
      value: { uri, timeoutMs },
    });
  });

  test.each([
    [{ libvirt: { connection_uri: "qemu+ssh://elsewhere/system" } }, "connection_uri"],
    [{ libvirt: { connection_uri: "xen:///" } }, "connection_uri"],
    [{ "luksmith:libvirt": { retries: "3" } }, "retries"],
    [{ "luksmith:libvirt": { timeout: "soon" } }, "timeout"],
    [{ "luksmith:libvirt": { timeout: "0" } }, "timeout"],
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
