import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { parseHeader } from "@luksmith/core";
import { createInstance, verifyDisks } from "@luksmith/core/host";
import { beforeAll, describe, expect, test } from "vitest";
import type { Action } from "../../child/scenario.ts";
import { watchLives } from "../../mortal.ts";
import { watchCommands } from "../../mortal-commands.ts";
import { TempHost } from "../../temp-host.ts";
import { testContext } from "../../workspace.ts";
import { GROUP, tool, volumes } from "../inside/volume-host.ts";
import { sweepVolumes } from "./sweep-volumes.ts";

const MIB = 1024 * 1024;
const LONG = { timeout: 1_800_000 };
const ctx = testContext();

beforeAll(async () => {
  await watchLives();
  watchCommands();
});

interface Prepared {
  readonly temp: TempHost;
  readonly image: string;
  readonly others: readonly string[];
}

/** A host, and a volume that is somebody else's. */
function prepare(thin: boolean): Prepared {
  const left = volumes();
  if (left.length > 0) tool("lvremove", ["-qq", "-f", GROUP]);
  if (thin) tool("lvcreate", ["-qq", "-y", "--type=thin-pool", "-L", "256M", "-n", "pool", GROUP]);
  tool("lvcreate", ["-qq", "-y", "-Wn", "-Zn", "-L", "4M", "-n", "somebodys", GROUP]);
  const own = [`images_volume_group = ${GROUP}`, `sparse_logical_volumes = ${thin}`, "volume_clear = none"];
  const temp = new TempHost({
    imagesType: "lvm",
    plugins: ["@luksmith/backend-lvm", "@luksmith/keymgr-local"],
    sections: ["[libvirt]", ...own],
  });
  return { temp, image: temp.addImage(2 * MIB), others: volumes() };
}

async function add({ temp, image }: Prepared, uuid: string = randomUUID()): Promise<string> {
  await using host = await temp.write();
  return (await createInstance(host, await temp.request(image, { instance: uuid }), ctx)).uuid;
}

/** Inventory, volumes with their tags, headers and the key manager say the same; what is somebody else's is there. */
async function expectTogether({ temp, others }: Prepared): Promise<void> {
  await using host = await temp.write();
  expect(host.journal.unfinished()).toEqual([]);
  const disks = host.inventory.instances().flatMap((instance) => instance.disks);
  const names = disks.map(({ path }) => path.slice(`/dev/${GROUP}/`.length));
  expect(volumes().toSorted()).toEqual([...names, ...others].toSorted());
  const stored: string[] = [];
  for await (const { id } of (await host.services()).keys.list?.({}, ctx) ?? []) stored.push(id);
  expect(stored.toSorted()).toEqual(disks.flatMap(({ encryption }) => encryption?.secretId ?? []).toSorted());
  // Each has the size that the inventory says, and opens with the stored passphrase, and with no other.
  for (const report of await verifyDisks(host, undefined, ctx)) {
    expect(report.disks.filter(({ ok }) => !ok)).toEqual([]);
  }
  for (const { path } of disks) {
    const { keySlots } = parseHeader(await readFile(path));
    expect(keySlots.filter(({ active }) => active)).toHaveLength(1);
  }
}

/** Both by `LUKSMITH_INSTANTS=all`; what differs between them is LVM's own work. */
const KINDS = [
  { kind: "thin", thin: true },
  { kind: "linear", thin: false },
].slice(0, process.env["LUKSMITH_INSTANTS"] === "all" ? 2 : 1);

describe.each(KINDS)("invariant 1, of disks on volumes: $kind", ({ thin }) => {
  test("a create killed at any instant leaves neither volume nor secret", LONG, async () => {
    const prepared = prepare(thin);
    const { temp, image } = prepared;
    const action = async (): Promise<Action> => ({ kind: "create", request: temp.json(image) });
    const { instants, recovered } = await sweepVolumes(temp, action, () => expectTogether(prepared));
    expect(instants).toEqual(expect.arrayContaining(["key: create", "journal: image", "command: lvcreate"]));
    expect([...recovered].filter((outcome) => outcome !== "undone")).toEqual([]);
  });

  test("a delete killed at any instant is finished", LONG, async () => {
    const prepared = prepare(thin);
    const action = async (): Promise<Action> => ({ kind: "delete", id: await add(prepared) });
    const { instants, recovered } = await sweepVolumes(prepared.temp, action, () => expectTogether(prepared));
    expect(instants.indexOf("command: lvremove")).toBeGreaterThan(-1);
    expect(instants.indexOf("command: lvremove")).toBeLessThan(instants.indexOf("key: delete"));
    expect([...recovered].filter((outcome) => outcome !== "finished")).toEqual([]);
  });

  test("a resize killed at any instant leaves one size", LONG, async () => {
    const prepared = prepare(thin);
    const id = await add(prepared);
    let bytes = 2 * MIB;
    const action = async (): Promise<Action> => {
      bytes += MIB + 512;
      return { kind: "resize", id, disk: "disk", bytes };
    };
    const { instants, recovered } = await sweepVolumes(prepared.temp, action, () => expectTogether(prepared));
    expect(instants).toEqual(expect.arrayContaining(["command: lvextend", "command: lvchange"]));
    expect([...recovered].filter((outcome) => outcome !== "settled")).toEqual([]);
  });

  test("a rekey killed at any instant leaves one passphrase, which is stored", LONG, async () => {
    const prepared = prepare(thin);
    const id = await add(prepared);
    const action = async (): Promise<Action> => ({ kind: "rekey", id });
    const { instants } = await sweepVolumes(prepared.temp, action, () => expectTogether(prepared));
    expect(instants).toEqual(expect.arrayContaining(["key: create", "key: delete"]));
  });
});
