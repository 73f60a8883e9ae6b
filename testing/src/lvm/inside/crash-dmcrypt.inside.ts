import { randomUUID } from "node:crypto";
import { verifyDisks } from "@luksmith/core/host";
import { connectLibvirt } from "@luksmith/libvirt/client";
import { startLibvirt } from "@luksmith/testing-services";
import { afterEach, beforeAll, expect, test } from "vitest";
import type { Action } from "../../child/scenario.ts";
import type { LifeHost } from "../../life-host.ts";
import { watchLives } from "../../mortal.ts";
import { watchCommands } from "../../mortal-commands.ts";
import { testContext } from "../../workspace.ts";
import { sweepVolumes } from "../crash/sweep-volumes.ts";
import { clearGroup, cryptMappings, GROUP, volumeHost, volumes } from "./volume-host.ts";

const MIB = 1024 * 1024;
const LONG = { timeout: 1_800_000 };

afterEach(clearGroup);

beforeAll(async () => {
  await watchLives();
  watchCommands();
});

/** Guests, mappings, volumes and keys: what runs has its disks open, and nothing else is open. */
async function expectTogether(life: LifeHost): Promise<void> {
  const ctx = testContext();
  using libvirt = await connectLibvirt(life.env.uri, ctx);
  await life.on(async (host) => {
    expect(host.journal.unfinished()).toEqual([]);
    const instances = host.inventory.instances();
    const disks = instances.flatMap((instance) => instance.disks);
    const open: string[] = [];
    const domains = await libvirt.domains.list(ctx);
    expect(domains.map(({ uuid }) => uuid).toSorted()).toEqual(instances.map(({ uuid }) => uuid).toSorted());
    for (const { uuid, disks: own } of instances) {
      const state = await life.guest(uuid);
      expect(["running", "off"]).toContain(state);
      if (state === "running") open.push(...own.map(({ path }) => `${path.split("/").at(-1) ?? ""}-luks`));
    }
    expect(cryptMappings().toSorted()).toEqual(open.toSorted());
    const names = disks.map(({ path }) => path.slice(`/dev/${GROUP}/`.length));
    expect(volumes().toSorted()).toEqual(names.toSorted());
    expect([...(await life.storedKeys())].toSorted()).toEqual(
      disks.flatMap(({ encryption }) => encryption?.secretId ?? []).toSorted(),
    );
    expect(await life.guestSecrets()).toEqual([]);
    for (const report of await verifyDisks(host, undefined, ctx)) {
      expect(report.disks.filter(({ ok }) => !ok)).toEqual([]);
    }
  });
}

test(
  "spawn, stop, start, growing and delete of a guest that the kernel decrypts for, killed at any instant",
  LONG,
  async () => {
    await using env = await startLibvirt({ fewQuestions: true });
    const life = volumeHost(env, { thin: false, decryption: "dm-crypt" });
    const image = life.temp.addImage(2 * MIB);
    const check = () => expectTogether(life);
    const spawn = async (): Promise<Action> => {
      const instance = randomUUID();
      const template = await life.template(instance, "nothing");
      return { kind: "spawn", request: life.temp.json(image, { instance }), template, start: true };
    };
    const there = () => life.on(async (host) => host.inventory.instances().map(({ uuid }) => uuid));

    const spawned = await sweepVolumes(life.temp, spawn, check);
    expect(spawned.instants).toContain("command: cryptsetup");
    expect([...spawned.recovered].filter((outcome) => outcome !== "undone")).toEqual([]);
    const [id = "", ...more] = await there();

    const stopped = await sweepVolumes(
      life.temp,
      async () => {
        await life.start(id);
        return { kind: "stop", id, timeoutMs: 0 };
      },
      check,
    );
    expect(stopped.instants).toEqual(expect.arrayContaining(["guest: destroy", "command: cryptsetup"]));
    expect([...stopped.recovered].filter((outcome) => outcome !== "finished")).toEqual([]);

    const started = await sweepVolumes(
      life.temp,
      async () => {
        await life.stop(id);
        return { kind: "start", id };
      },
      check,
    );
    expect(started.instants).toEqual(expect.arrayContaining(["command: cryptsetup", "guest: start"]));

    let bytes = 2 * MIB;
    const grown = await sweepVolumes(
      life.temp,
      async () => {
        await life.start(id);
        bytes += MIB + 512;
        return { kind: "resize", id, disk: "disk", bytes };
      },
      check,
    );
    expect(grown.instants).toEqual(
      expect.arrayContaining(["command: lvextend", "command: cryptsetup", "guest: grow"]),
    );

    const left = [id, ...more];
    const deleted = await sweepVolumes(
      life.temp,
      async () => {
        const [next] = await there();
        if (next !== undefined) return { kind: "delete", id: next };
        await life.spawn(image, { boots: "nothing" });
        return { kind: "delete", id: (await there())[0] ?? "" };
      },
      check,
    );
    expect(left.length).toBeGreaterThan(0);
    expect([...deleted.recovered].filter((outcome) => outcome !== "finished")).toEqual([]);
  },
);
