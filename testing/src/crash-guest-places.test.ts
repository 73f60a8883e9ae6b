import { copyFileSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  describeGuest,
  findGuest,
  type InstanceRecord,
  letGoOfEvacuated,
  parseMove,
  resumeGuests,
  shelveGuest,
  unshelveGuest,
} from "@luksmith/core/host";
import { type OwnLibvirt, startLibvirt, tinyGuest } from "@luksmith/testing-services";
import { beforeAll, describe, expect, test } from "vitest";
import { expectTogether } from "./guests-together.ts";
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

/** A host with a running guest that boots nothing, and the image of its root disk. */
async function spawned(env: OwnLibvirt) {
  const life = new LifeHost("raw", env);
  const image = life.temp.addImage(2 * MIB);
  const { instance } = await life.spawn(image, { ...DISKS, boots: "nothing" });
  return { life, image, instance, id: instance.uuid };
}

describe("invariant 1, of guests whose disks are made anew, or are kept elsewhere", () => {
  test(
    "a rebuild killed at any instant leaves the old disks or the new ones, and a guest",
    SWEEP,
    async () => {
      await using env = await startLibvirt();
      const { life, image, instance, id } = await spawned(env);
      const recorded = () => life.on(async (host) => host.inventory.instance(id));
      const identities = (record: InstanceRecord | undefined) =>
        record?.disks.map(({ identity }) => identity);
      let before: ReturnType<typeof identities>;
      let changes = 0;
      const swept = await sweep(
        life,
        async () => {
          before = identities(await recorded());
          return { kind: "rebuild", request: life.temp.json(image, { ...DISKS, instance: id }) };
        },
        async () => {
          const guests = await life.on((host) => resumeGuests(host, testContext()));
          expect(guests).toMatchObject([{ running: true }]);
          const now = await recorded();
          // All disks are the old ones, or none is.
          const same = identities(now)?.filter((each, at) => each["ino"] === before?.[at]?.["ino"]).length;
          expect([0, instance.disks.length]).toContain(same);
          if (same === 0) changes++;
          expect(now?.disks.map(({ encryption }) => encryption)).toEqual(
            instance.disks.map(({ encryption }) => encryption),
          );
          await life.expectPicture(now!, whole(now!, "running"));
        },
      );
      expectSeen(swept, [
        "journal: image",
        "link",
        "guest: destroy",
        "journal: power+replace+replace",
        "unlink",
      ]);
      expectSeen(swept, ["journal: done", "guest: start"]);
      expect(swept.recovered).toEqual(expect.arrayContaining(["undone", "finished"]));
      expect(changes).toBeGreaterThan(2);
    },
  );

  test("a shelving killed at any instant is on the shelf, or here", SWEEP, async () => {
    await using env = await startLibvirt();
    const { life, instance, id } = await spawned(env);
    const shelf = join(life.temp.root, "shelf");
    mkdirSync(shelf);
    const document = join(shelf, `${id}.json`);
    const isHere = () => life.on(async (host) => host.inventory.instance(id) !== undefined);
    const onShelf = () => filesBelow(shelf).toSorted();
    const all = [`${id}.disk`, `${id}.disk.swap`, `${id}.json`].toSorted();
    const unshelve = async (): Promise<void> => {
      const read = await parseMove(JSON.parse(readFileSync(document, "utf8")));
      await life.on((host) => unshelveGuest(host, read, { directory: shelf, start: true }, testContext()));
    };
    const together = async (): Promise<void> => {
      if (await isHere()) return await expectTogether(life);
      const keys = instance.disks.map(({ name }) => name);
      await life.expectPicture(instance, { guest: "absent", disks: [], keys, secrets: [] });
    };
    const shelved = await sweep(
      life,
      async () => {
        if (!(await isHere())) await unshelve();
        return { kind: "shelve", id, directory: shelf };
      },
      async () => {
        const here = await isHere();
        expect(onShelf()).toEqual(here ? [] : all);
        if (!here) return;
        expect(await life.on((host) => resumeGuests(host, testContext()))).toMatchObject([{ running: true }]);
        await life.expectPicture(instance, whole(instance, "running"));
      },
      together,
    );
    expectSeen(shelved, [
      "guest: destroy",
      "link",
      "guest: undefine",
      "unlink",
      "guest: takeKey",
      "journal: done",
    ]);
    expect(shelved.recovered).toEqual(expect.arrayContaining(["undone", "finished"]));

    // And the way back.
    const unshelved = await sweep(
      life,
      async () => {
        if (await isHere()) {
          const options = { directory: shelf, timeoutMs: 0 };
          await life.on((host) => shelveGuest(host, id, options, testContext()));
        }
        return { kind: "unshelve", document: JSON.parse(readFileSync(document, "utf8")), directory: shelf };
      },
      async () => {
        const here = await isHere();
        expect(onShelf()).toEqual(here ? [] : all);
        if (here) await life.expectPicture(instance, whole(instance, "running"));
      },
      together,
    );
    expectSeen(unshelved, [
      "link",
      "guest: giveKey",
      "guest: define",
      "guest: start",
      "unlink",
      "journal: done",
    ]);
    expect(unshelved.recovered).toEqual(expect.arrayContaining(["undone", "finished"]));
  });

  test(
    "an evacuation killed at any instant is whole, or was never begun; what is shared stays",
    SWEEP,
    async () => {
      await using env = await startLibvirt();
      await using otherEnv = await startLibvirt();
      const { life, image, instance, id } = await spawned(env);
      const document = await life.on(async (host) => describeGuest(await findGuest(host, id)));
      await life.stop(id);
      const same = ["[DEFAULT]", `instances_path = ${life.temp.instancesPath}`];
      const shared = new LifeHost("raw", otherEnv, { sections: same });
      const apart = new LifeHost("raw", otherEnv);
      for (const other of [shared, apart]) {
        await other.on(async () => {});
        // Both hosts use one key store, as they would use one Barbican.
        for (const name of readdirSync(life.temp.statePath).filter((file) => file.startsWith("key"))) {
          copyFileSync(join(life.temp.statePath, name), join(other.temp.statePath, name));
        }
      }
      copyFileSync(life.temp.imageFile(image), apart.temp.imageFile(image));
      const names = instance.disks.map(({ name }) => name);
      const forget = (other: LifeHost, keepDisks: boolean) =>
        other.on((host) => letGoOfEvacuated(host, id, { keepDisks }, testContext()));

      const inPlace = await sweep(
        shared,
        async () => ({ kind: "evacuate", document }),
        async () => {},
        async () => {
          const there = await shared.on(async (host) => host.inventory.instance(id) !== undefined);
          const absent = { guest: "absent", disks: names, keys: names, secrets: [] } as const;
          await shared.expectPicture(instance, there ? whole(instance, "running") : absent);
          if (!there) return;
          // Once more, from the beginning.
          await forget(shared, true);
          await shared.expectPicture(instance, absent);
        },
      );
      expectSeen(inPlace, ["guest: giveKey", "guest: define", "guest: start", "journal: done"]);
      expect(inPlace.recovered).toContain("undone");

      const recreate = apart.temp.json(image, { ...DISKS, instance: id });
      const anew = await sweep(
        apart,
        async () => ({ kind: "evacuate", document, recreate }),
        async () => {},
        async () => {
          const made = await apart.on(async (host) => host.inventory.instance(id));
          const files = filesBelow(apart.temp.instancesPath);
          expect(files).toEqual(made ? [`${id}/disk`, `${id}/disk.swap`] : []);
          expect((await apart.storedKeys()).toSorted()).toEqual(
            instance.disks.map(({ encryption }) => encryption?.secretId ?? "").toSorted(),
          );
          if (!made) return;
          await apart.expectPicture(made, whole(made, "running"));
          await forget(apart, false);
        },
      );
      expect(anew.outcome.error).toBeUndefined();
      expect(anew.recovered).toContain("undone");
    },
  );
});
