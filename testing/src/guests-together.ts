import { verifyDisks } from "@luksmith/core/host";
import { connectLibvirt } from "@luksmith/libvirt/client";
import { expect } from "vitest";
import type { LifeHost } from "./life-host.ts";
import { filesBelow } from "./tree.ts";
import { testContext } from "./workspace.ts";

/** Recovers twice: the second time, there is nothing to do. */
export async function recoverGuests(
  life: LifeHost,
  expectTrue: () => Promise<void> = () => expectTogether(life),
): Promise<readonly string[]> {
  const first = await life.on(async (host) => host.recovery.operations);
  expect(first.filter(({ outcome }) => outcome === "failed")).toEqual([]);
  await expectTrue();
  expect(await life.on(async (host) => host.recovery.operations)).toEqual([]);
  return first.map(({ outcome }) => outcome);
}

/**
 * Inventory, files, key manager, and libvirt's guests and secrets say the same; it is a libvirt of this test's own.
 * @param but `elsewhere`: ids of secrets of disks that are on a shelf; `without`: an instance whose keys libvirt may not have
 */
export async function expectTogether(
  life: LifeHost,
  { elsewhere = [], without }: { readonly elsewhere?: readonly string[]; readonly without?: string } = {},
): Promise<void> {
  const ctx = testContext();
  using libvirt = await connectLibvirt(life.env.uri, ctx);
  await life.on(async (host) => {
    expect(host.journal.unfinished()).toEqual([]);
    const instances = host.inventory.instances();
    const guests = host.inventory.guests.all();
    expect(guests.map(({ uuid }) => uuid).toSorted()).toEqual(instances.map(({ uuid }) => uuid).toSorted());
    const domains = await libvirt.domains.list(ctx);
    expect(domains.map(({ uuid }) => uuid).toSorted()).toEqual(guests.map(({ uuid }) => uuid).toSorted());
    const disks = instances.flatMap((instance) => instance.disks);
    const secrets: readonly string[] = disks
      .flatMap(({ encryption }) => encryption?.secretId ?? [])
      .toSorted();
    const copies: readonly string[] = host.inventory
      .snapshots()
      .flatMap(({ encryption }) => encryption?.secretId ?? []);
    expect([...(await life.storedKeys())].toSorted()).toEqual(
      [...secrets, ...copies, ...elsewhere].toSorted(),
    );
    const given = await life.guestSecrets();
    const lacking = disks
      .filter(({ instanceUuid }) => instanceUuid === without)
      .flatMap(({ encryption }) => encryption?.secretId ?? [])
      .filter((id) => !given.includes(id));
    expect([...given, ...lacking].toSorted()).toEqual(secrets);
    const names = disks.map(({ path }) => path.slice(life.temp.instancesPath.length + 1));
    // The cache of bases is a thing of its own.
    const files = filesBelow(life.temp.instancesPath).filter((name) => !/^(_base|locks)\//.test(name));
    expect(files).toEqual(names.toSorted());
    for (const { disks: reports } of await verifyDisks(host, undefined, ctx)) {
      expect(reports.filter(({ ok }) => !ok)).toEqual([]);
    }
    // Nobody runs whom nobody wants; the other way is what `resume-guests` is for.
    for (const { uuid, wanted } of guests) {
      if (wanted === "off") expect(await libvirt.domains.state(uuid, ctx)).toBe("off");
    }
  });
}
