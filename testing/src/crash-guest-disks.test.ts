import { copyFileSync, mkdirSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import {
  confirmMove,
  type InstanceRecord,
  offerGuest,
  rescueGuest,
  resumeGuests,
  unrescueGuest,
} from "@luksmith/core/host";
import { connectLibvirt } from "@luksmith/libvirt/client";
import { startLibvirt, tinyGuest } from "@luksmith/testing-services";
import { beforeAll, describe, expect, test } from "vitest";
import { runChild } from "./child/run-child.ts";
import { expectSeen, sweep } from "./guest-sweep.ts";
import { LifeHost, whole } from "./life-host.ts";
import { filesBelow } from "./tree.ts";
import { testContext } from "./workspace.ts";

const MIB = 1024 * 1024;
const DISKS = { swap: 4 };
const SWEEP = { timeout: 300_000 };

beforeAll(async () => {
  await tinyGuest();
}, 300_000);

describe("invariant 1, of guests whose disks are copied, moved or added to", () => {
  test("a rescue, and its end, killed at any instant leave a guest that is whole", SWEEP, async () => {
    await using env = await startLibvirt();
    const life = new LifeHost("raw", env);
    const image = life.temp.addImage(2 * MIB);
    const { instance } = await life.spawn(image, { ...DISKS, boots: "nothing" });
    const { uuid: id } = instance;
    const declared = { id: image, disk_format: "raw" };
    const isRescued = () => life.on(async (host) => host.inventory.guests.find(id)?.rescued === true);
    const after = async (): Promise<void> => {
      const guests = await life.on((host) => resumeGuests(host, testContext()));
      expect(guests).toMatchObject([{ running: true }]);
      const now = await life.on(async (host) => host.inventory.instance(id));
      expect(now?.disks).toHaveLength((await isRescued()) ? 3 : 2);
      await life.expectPicture(now!, whole(now!, "running"));
    };
    const rescued = await sweep(
      life,
      async () => {
        if (await isRescued()) await life.on((host) => unrescueGuest(host, id, testContext()));
        return { kind: "rescue", id, image };
      },
      after,
    );
    expectSeen(rescued, [
      "secret created",
      "link",
      "journal: take-keys+power",
      "guest: destroy",
      "guest: start",
      "journal: done",
    ]);
    expect(new Set(rescued.recovered.slice(0, -1))).toEqual(new Set(["undone"]));
    const ended = await sweep(
      life,
      async () => {
        if (!(await isRescued())) {
          await life.on((host) =>
            rescueGuest(host, id, { image: { id: image, declared }, timeoutMs: 0 }, testContext()),
          );
        }
        return { kind: "unrescue", id };
      },
      after,
    );
    expectSeen(ended, [
      "guest: destroy",
      "unlink",
      "guest: takeKey",
      "secret deleted",
      "journal: done",
      "guest: start",
    ]);
    expect(ended.recovered).toContain("finished");
  });

  test.each(["raw", "qcow2"] as const)(
    "a %s copy of a running guest's disk killed at any instant is taken back",
    SWEEP,
    async (format) => {
      await using env = await startLibvirt();
      const life = new LifeHost("raw", env);
      const { instance } = await life.spawn(life.temp.addImage(2 * MIB), { ...DISKS, boots: "nothing" });
      const copies = join(life.temp.root, "copies");
      mkdirSync(copies);
      let round = 0;
      const swept = await sweep(
        life,
        async () => {
          const target = join(copies, `copy-${++round}`);
          const request = { disk: "disk.swap", target, format, plain: false } as const;
          return { kind: "snapshot", id: instance.uuid, request };
        },
        async () => {
          const made = await life.on(async (host) => host.inventory.snapshots());
          const names: readonly string[] = made.map(({ path }) => basename(path));
          expect(filesBelow(copies)).toEqual(names.toSorted());
          // No copying goes on, and the guest writes to its own disk.
          using libvirt = await connectLibvirt(env.uri, testContext());
          expect(await libvirt.disks.job(instance.uuid, "vdb", testContext())).toBeUndefined();
          expect(await libvirt.domains.xml(instance.uuid, testContext())).not.toContain(copies);
        },
      );
      const seen = [
        "journal: take-keys+copy-job",
        "guest: giveKey",
        "copy vdb",
        "guest: copyDisk",
        "guest: takeKey",
      ];
      expectSeen(swept, [...seen, "link", "journal: done"]);
      expect(new Set(swept.recovered.slice(0, -1))).toEqual(new Set(["undone"]));
    },
  );

  test(
    "a move to another host killed at any instant is on one host or on both, and on neither by halves",
    SWEEP,
    async () => {
      await using env = await startLibvirt();
      await using otherEnv = await startLibvirt();
      const life = new LifeHost("raw", env);
      const { instance } = await life.spawn(life.temp.addImage(2 * MIB), {
        ...DISKS,
        start: false,
        boots: "nothing",
      });
      const { uuid: id } = instance;
      const document = await life.on((host) => offerGuest(host, id, testContext()));
      // Both hosts use one key store, as they would use one Barbican.
      const other = new LifeHost("raw", otherEnv);
      const shareKeys = (): void => {
        for (const name of readdirSync(life.temp.statePath).filter((file) => file.startsWith("key"))) {
          copyFileSync(join(life.temp.statePath, name), join(other.temp.statePath, name));
        }
      };
      await other.on(async () => {});
      shareKeys();
      const swept = await sweep(
        other,
        async () => {
          // What the last round did may have been done: it is moved on, and its passphrases stay.
          if (await other.on(async (host) => host.inventory.instance(id))) {
            await other.stop(id);
            await other.on((host) => offerGuest(host, id, testContext()));
            await other.on((host) => confirmMove(host, id, {}, testContext()));
          }
          return { kind: "adopt", document };
        },
        async () => life.expectPicture(instance, whole(instance, "off")),
        expectMoved,
      );
      const seen = [
        "journal: image",
        "link",
        "guest: giveKey",
        "guest: define",
        "guest: start",
        "journal: done",
      ];
      expectSeen(swept, seen);
      expect(new Set(swept.recovered.slice(0, -1))).toEqual(new Set(["undone"]));

      // Then the first host lets go of it.
      let killAt = 0;
      for (;;) {
        const action = { kind: "confirm", id } as const;
        const outcome = await runChild({ configFile: life.temp.configFile, action, killAt: ++killAt });
        const gone = await life.on(async (host) => {
          expect(host.journal.unfinished()).toEqual([]);
          return host.inventory.instance(id) === undefined;
        });
        const keys = instance.disks.map(({ name }) => name);
        await life.expectPicture(
          instance,
          gone ? { guest: "absent", disks: [], keys, secrets: [] } : whole(instance, "off"),
        );
        if (gone) break;
        expect(outcome).toBeUndefined();
      }
      await other.expectPicture(
        { ...instance, disks: document.disks.map(onOther) },
        whole(instance, "running"),
      );

      function onOther({ name }: { readonly name: string }): InstanceRecord["disks"][number] {
        const disk = instance.disks.find((each) => each.name === name)!;
        return { ...disk, path: disk.path.replace(life.temp.instancesPath, other.temp.instancesPath) };
      }

      async function expectMoved(): Promise<void> {
        const there = await other.on(async (host) => {
          expect(host.journal.unfinished()).toEqual([]);
          return host.inventory.instance(id) !== undefined;
        });
        const picture = await other.picture({ ...instance, disks: document.disks.map(onOther) });
        const names = instance.disks.map(({ name }) => name);
        // The one of this kind of sweep that may not touch the key manager's secrets, in either direction.
        expect(picture).toEqual(
          there
            ? { guest: "running", disks: names, keys: names, secrets: names }
            : { guest: "absent", disks: [], keys: names, secrets: [] },
        );
      }
    },
  );
});
