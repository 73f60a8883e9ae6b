import { randomUUID } from "node:crypto";
import { type InstanceRecord, resumeGuests } from "@luksmith/core/host";
import { connectLibvirt } from "@luksmith/libvirt/client";
import { startLibvirt, tinyGuest } from "@luksmith/testing-services";
import { beforeAll, describe, expect, test } from "vitest";
import { expectSeen, sweep } from "./guest-sweep.ts";
import { LifeHost, whole } from "./life-host.ts";
import { testContext } from "./workspace.ts";

const MIB = 1024 * 1024;
const DISKS = { swap: 4 };
const SWEEP = { timeout: 300_000 };

beforeAll(async () => {
  await tinyGuest();
}, 300_000);

describe("invariant 1, of guests: what a crash leaves belongs together", () => {
  test("a spawn killed at any instant is taken back, and the next one succeeds", SWEEP, async () => {
    await using env = await startLibvirt();
    const life = new LifeHost("raw", env);
    const image = life.temp.addImage(2 * MIB);
    const swept = await sweep(life, async () => {
      const instance = randomUUID();
      const template = await life.template(instance, "nothing");
      return { kind: "spawn", request: life.temp.json(image, { ...DISKS, instance }), template, start: true };
    });
    expectSeen(swept, ["journal: guest", "guest: giveKey", "guest: define", "guest: start", "journal: done"]);
    expect(new Set(swept.recovered.slice(0, -1))).toEqual(new Set(["undone"]));
    expect(swept.recovered.at(-1)).toBe("");
  });

  test("a delete of a running guest killed at any instant is finished", SWEEP, async () => {
    await using env = await startLibvirt();
    const life = new LifeHost("raw", env);
    const image = life.temp.addImage(2 * MIB);
    let made: InstanceRecord | undefined;
    const swept = await sweep(life, async () => {
      const there = made && (await life.on(async (host) => host.inventory.instance(made?.uuid ?? "")));
      made = there ?? (await life.spawn(image, { ...DISKS, boots: "nothing" })).instance;
      return { kind: "delete", id: made.uuid };
    });
    const { instants } = swept.outcome;
    expectSeen(swept, ["guest: destroy", "guest: undefine", "unlink", "guest: takeKey", "journal: done"]);
    expect(instants.indexOf("guest: undefine")).toBeLessThan(instants.indexOf("unlink"));
    expect(instants.lastIndexOf("unlink")).toBeLessThan(instants.indexOf("secret deleted"));
    expect(new Set(swept.recovered.slice(0, -1))).toEqual(new Set(["finished"]));
  });

  test.each(["start", "stop", "hard-reboot"] as const)(
    "a %s killed at any instant leaves a guest that is as it is said to be",
    SWEEP,
    async (kind) => {
      await using env = await startLibvirt();
      const life = new LifeHost("raw", env);
      const image = life.temp.addImage(2 * MIB);
      const { instance } = await life.spawn(image, { ...DISKS, start: kind !== "start", boots: "nothing" });
      const id = instance.uuid;
      const swept = await sweep(
        life,
        async () => {
          // As it was before: what the last round did may have been done.
          if (kind === "start") await life.stop(id);
          else await life.start(id);
          return kind === "stop" ? { kind, id, timeoutMs: 300 } : { kind, id };
        },
        async () => {
          // A host that comes back starts what should run, and nothing else.
          const wanted = await life.on(async (host) => host.inventory.guests.find(id)?.wanted);
          const guests = await life.on((host) => resumeGuests(host, testContext()));
          expect(guests.filter(({ running }) => !running)).toEqual([]);
          await life.expectPicture(instance, whole(instance, wanted === "on" ? "running" : "off"));
        },
      );
      const last = { start: "guest: start", stop: "guest: destroy", "hard-reboot": "guest: start" }[kind];
      expectSeen(swept, ["journal: begin", last, "journal: done"]);
      const ended = kind === "stop" ? "finished" : "settled";
      expect(new Set(swept.recovered.slice(0, -1))).toEqual(new Set([ended]));
    },
  );

  test("a running guest's disk whose growing is killed at any instant has one size", SWEEP, async () => {
    await using env = await startLibvirt();
    const life = new LifeHost("raw", env);
    const { instance } = await life.spawn(life.temp.addImage(2 * MIB), { ...DISKS, boots: "nothing" });
    let bytes = 4 * MIB;
    const swept = await sweep(life, async () => {
      bytes += 512;
      return { kind: "resize", id: instance.uuid, disk: "disk.swap", bytes };
    });
    expectSeen(swept, ["journal: begin", "guest: grow", "journal: done"]);
    expect(new Set(swept.recovered.slice(0, -1))).toEqual(new Set(["settled"]));
    using libvirt = await connectLibvirt(env.uri, testContext());
    const { capacity } = await libvirt.disks.info(instance.uuid, "vdb", testContext());
    expect(capacity).toBe(BigInt(bytes));
  });
});
