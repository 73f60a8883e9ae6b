import { createHash } from "node:crypto";
import { connectLibvirt } from "@luksmith/libvirt/client";
import { treeOf } from "../tree.ts";
import { testContext } from "../workspace.ts";
import type { GcHost } from "./gc-host.ts";

/** Everything that a reconciler could touch, by its place, with what is in it: equal when nothing was touched. */
export type Picture = ReadonlyMap<string, string>;

/** @param foreign secrets in libvirt that are not this host's; others of a libvirt that tests share are not looked at */
export async function pictureOf(
  gc: GcHost,
  foreign: readonly string[],
  ours: ReadonlySet<string>,
): Promise<Picture> {
  const picture = new Map<string, string>();
  for (const [path, what] of treeOf(gc.temp.instancesPath)) picture.set(`file ${path}`, what);
  for (const name of lines(await gc.rbd(["ls"], ""))) {
    const { id } = JSON.parse(await gc.rbd(["info", "--format", "json"], name)) as { id: string };
    const bytes = await gc.ceph.bytes(gc.spec(name));
    picture.set(`image ${name}`, `${id} ${createHash("sha256").update(bytes).digest("hex")}`);
  }
  picture.set("trash", await gc.rbd(["trash", "ls"], ""));
  for (const [id, payload] of await gc.vault.payloads()) picture.set(`secret ${id}`, payload);
  {
    using copies = gc.copies();
    for (const row of copies.prepare("SELECT * FROM secrets").all()) {
      picture.set(`copy ${String(row["id"])}`, JSON.stringify(row));
    }
  }
  using libvirt = await connectLibvirt(gc.life.env.uri, testContext());
  for (const { uuid, usage, usageType } of await libvirt.secrets.list(testContext())) {
    if (!foreign.includes(uuid) && !ours.has(uuid)) continue;
    picture.set(
      `key ${uuid}`,
      JSON.stringify([usageType, usage, await libvirt.secrets.attributes(uuid, testContext())]),
    );
  }
  await using host = await gc.temp.read();
  for (const instance of host.inventory?.instances() ?? []) {
    const text = JSON.stringify(instance, (_, value: unknown) =>
      typeof value === "bigint" ? String(value) : value,
    );
    picture.set(`instance ${instance.uuid}`, text);
    const domain = await libvirt.domains.find(instance.uuid, testContext());
    if (!domain) continue;
    const state = await libvirt.domains.state(instance.uuid, testContext());
    picture.set(
      `guest ${instance.uuid}`,
      `${state} ${await libvirt.domains.xml(instance.uuid, testContext())}`,
    );
  }
  for (const snapshot of host.inventory?.snapshots() ?? []) {
    picture.set(
      `snapshot ${snapshot.uuid}`,
      JSON.stringify({ ...snapshot, virtualSize: String(snapshot.virtualSize) }),
    );
  }
  return picture;
}

function lines(text: string): readonly string[] {
  return text.split("\n").filter((line) => line !== "");
}
