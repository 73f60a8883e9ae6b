import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  createInstance,
  deleteById,
  findInstance,
  rekeyDisks,
  resizeDisk,
  snapshotDisk,
  verifyDisks,
} from "@luksmith/core/host";
import { MIB, testContext } from "@luksmith/testkit";
import { beforeEach, describe, expect, test } from "vitest";
import { runChild, startChild } from "../../../../../testing/src/child/run-child.ts";
import { passphraseOf, TempHost } from "../../../../../testing/src/temp-host.ts";
import { cryptsetupOpens, GROUP, qemuRead, run } from "../guest-tools.ts";
import { makePool, removeVolumes, volumes } from "../lvm-fixture.ts";

const ctx = testContext();
const names = async (): Promise<readonly string[]> => (await volumes()).map(({ name }) => name);

function lvmHost(thin: boolean): TempHost {
  const own = [`images_volume_group = ${GROUP}`, `sparse_logical_volumes = ${thin}`, "volume_clear = none"];
  const host = new TempHost({
    imagesType: "lvm",
    plugins: ["@luksmith/backend-lvm", "@luksmith/keymgr-local"],
    luksmith: ["pbkdf_iterations = 1000"],
    sections: ["[libvirt]", ...own],
  });
  return host;
}

beforeEach(() => removeVolumes());

describe("an instance's life on volumes", () => {
  test.each([
    { kind: "linear", thin: false },
    { kind: "thin", thin: true },
  ])("$kind: made, verified, grown, copied, given new keys, deleted", async ({ thin }) => {
    if (thin) await makePool();
    const temp = lvmHost(thin);
    const image = temp.addImage(2 * MIB);
    await using host = await temp.write();
    const made = await createInstance(host, await temp.request(image, { swap: 4 }), ctx);
    const instance = await findInstance(host, made.uuid);
    expect(await names()).toEqual(expect.arrayContaining([`${made.uuid}_disk`, `${made.uuid}_disk.swap`]));
    expect((await verifyDisks(host, made.uuid, ctx)).every(({ disks }) => disks.every(({ ok }) => ok))).toBe(
      true,
    );
    const [disk] = instance.disks;
    const larger = (disk?.virtualSize ?? 0n) + 512n * 5n;
    await resizeDisk(host, instance, "disk", larger, ctx);
    const target = join(temp.root, "copy");
    const copy = { disk: "disk", target, format: "raw", plain: false } as const;
    const snapshot = await snapshotDisk(host, await findInstance(host, made.uuid), copy, ctx);
    using key = await passphraseOf(host, snapshot.encryption?.secretId);
    expect(BigInt((await qemuRead({ path: target }, key)).length)).toBe(larger);
    using old = await passphraseOf(host, disk?.encryption?.secretId);
    await rekeyDisks(host, await findInstance(host, made.uuid), undefined, ctx);
    const after = (await findInstance(host, made.uuid)).disks.find(({ name }) => name === "disk");
    using current = await passphraseOf(host, after?.encryption?.secretId);
    expect(await cryptsetupOpens(after?.path ?? "", old)).toBe(false);
    expect(await cryptsetupOpens(after?.path ?? "", current)).toBe(true);
    await deleteById(host, snapshot.uuid, { forgetMissing: false }, ctx);
    await deleteById(host, made.uuid, { forgetMissing: false }, ctx);
    expect(await names()).toEqual([]);
    expect(host.inventory.instances()).toEqual([]);
  });

  test.each([
    { kind: "linear", thin: false, looks: ["vgs"] },
    // How full the pool is, again before each.
    { kind: "thin", thin: true, looks: ["vgs", "lvs", "lvs"] },
  ])(
    "$kind: a create looks at the group once, and refuses a name that is taken before it changes anything",
    async ({ thin, looks }) => {
      await makePool();
      const temp = lvmHost(thin);
      const image = temp.addImage(2 * MIB);
      await using host = await temp.write();
      const request = await temp.request(image, { swap: 4 });
      const uuid = request.server.id;
      await run("lvcreate", "-qq", "-y", "-Wn", "-Zn", "-l", "1", "-n", `${uuid}_disk.swap`, GROUP);
      await expect(createInstance(host, request, ctx)).rejects.toMatchObject({ code: "DiskExists" });
      expect(await names()).toEqual([`${uuid}_disk.swap`]);
      expect(host.journal.unfinished()).toEqual([]);
      await removeVolumes();
      const on = testContext();
      await createInstance(host, request, on);
      const files = on.logged.flatMap(({ message, fields }) =>
        message === "command" ? [fields["file"]] : [],
      );
      expect(files.filter((file) => file !== "lvcreate")).toEqual(expect.arrayContaining(looks));
      expect(files.filter((file) => /^(lvs|vgs)$/.test(String(file)))).toHaveLength(looks.length);
    },
  );

  test("a create that is killed while its volume is written is taken back; a delete is finished", async () => {
    const temp = lvmHost(false);
    const image = temp.addImage(12 * MIB);
    const json = temp.json(image);
    const uuid = (json["server"] as { id: string }).id;
    const child = startChild({ configFile: temp.configFile, action: { kind: "create", request: json } });
    const node = `/dev/${GROUP}/${uuid}_disk`;
    while (!existsSync(node) && child.process.exitCode === null) await sleep(5);
    child.process.kill("SIGKILL");
    expect(await child.outcome, "it was killed").toBeUndefined();
    expect(await names()).toEqual([`${uuid}_disk`]);
    {
      await using host = await temp.write();
      expect(host.recovery.operations.map(({ outcome }) => outcome)).toEqual(["undone"]);
      expect(await names()).toEqual([]);
      await createInstance(host, await temp.request(image, { instance: uuid }), ctx);
    }
    // After the journal's beginning and the erasure, before the volume goes.
    const action = { kind: "delete", id: uuid } as const;
    expect(await runChild({ configFile: temp.configFile, action, killAt: 2 })).toBeUndefined();
    await using host = await temp.write();
    expect(host.recovery.operations.map(({ outcome }) => outcome)).toEqual(["finished"]);
    expect(await run("lvs", "--noheadings", "-o", "lv_name", "-S", "segtype!=thin-pool", GROUP)).toBe("");
    expect(host.inventory.instances()).toEqual([]);
  });
});
