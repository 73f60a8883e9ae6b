import { randomInt, randomUUID } from "node:crypto";
import { deleteById, type InstanceRecord, resumeGuests } from "@luksmith/core/host";
import { type OwnLibvirt, startLibvirt, tinyGuest } from "@luksmith/testing-services";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runChild } from "./child/run-child.ts";
import type { Action } from "./child/scenario.ts";
import { expectTogether, recoverGuests } from "./guests-together.ts";
import { rebootHost } from "./host-reboot.ts";
import { LifeHost, nameOf } from "./life-host.ts";
import { Random } from "./random.ts";
import { testContext } from "./workspace.ts";

const MIB = 1024 * 1024;
/** `LUKSMITH_SEQUENCES=500` is a night's work; `LUKSMITH_SEED` repeats one. */
const SEQUENCES = Number(process.env["LUKSMITH_SEQUENCES"] ?? 4);
const SEED = Number(process.env["LUKSMITH_SEED"] ?? randomInt(2 ** 32));
const STEPS = 8;
const MOST_INSTANCES = 3;
/** Later than this, most operations have ended. */
const LAST_INSTANT = 24;

let env: OwnLibvirt;
beforeAll(async () => {
  await tinyGuest();
  env = await startLibvirt();
}, 300_000);
afterAll(() => env[Symbol.asyncDispose]());

describe("whatever is done, in whatever order, and wherever it is cut short", () => {
  test.each(Array.from({ length: SEQUENCES }, (_, index) => SEED + index))(
    "disks, keys, guests and inventory belong together; sequence %i",
    { timeout: 300_000 },
    async (seed) => {
      const sequence = new Sequence(new Random(seed), seed % 2 === 0 ? "raw" : "qcow2");
      expect(await sequence.run()).toBe(STEPS);
    },
  );
});

/** One host's life: random operations, some killed at a random instant, and everything looked at after each. */
class Sequence {
  readonly #random: Random;
  readonly #life: LifeHost;
  readonly #image: string;
  readonly #done: string[] = [];

  constructor(random: Random, imagesType: "raw" | "qcow2") {
    this.#random = random;
    this.#life = new LifeHost(imagesType, env);
    this.#image = this.#life.temp.addImage(MIB);
  }

  /** How many operations that were. */
  async run(): Promise<number> {
    let steps = 0;
    try {
      for (; steps < STEPS; steps++) await this.#step();
      await this.#end();
      return steps;
    } catch (error) {
      throw new Error(`after ${this.#done.join(", ") || "nothing"}`, { cause: error });
    }
  }

  async #step(): Promise<void> {
    if (this.#random.chance(0.15)) await this.#disturb();
    const action = await this.#action();
    const killAt = this.#random.chance(0.6) ? 1 + this.#random.below(LAST_INSTANT) : undefined;
    this.#done.push(killAt === undefined ? action.kind : `${action.kind} killed at ${killAt}`);
    const scenario = { configFile: this.#life.temp.configFile, action };
    const outcome = await runChild(killAt === undefined ? scenario : { ...scenario, killAt });
    expectSame(outcome?.error, undefined);
    await recoverGuests(this.#life);
    if (action.kind === "resume" && outcome) await this.#expectBack();
  }

  async #action(): Promise<Action> {
    const instances = await this.#instances();
    if (instances.length === 0) return this.#spawn();
    const { uuid: id, disks } = this.#random.of(instances);
    const kinds = ["start", "stop", "hard-reboot", "resize", "resume", "delete", "spawn"] as const;
    const kind = this.#random.of(kinds);
    switch (kind) {
      case "spawn":
        return instances.length < MOST_INSTANCES ? this.#spawn() : { kind: "delete", id };
      case "stop":
        return { kind, id, timeoutMs: this.#random.of([0, 200]) };
      case "resize": {
        const { name: disk, virtualSize } = this.#random.of(disks);
        return { kind, id, disk, bytes: Number(virtualSize) + 512 * (1 + this.#random.below(4096)) };
      }
      case "resume":
        return { kind };
      default:
        return { kind, id };
    }
  }

  async #spawn(): Promise<Action> {
    const instance = randomUUID();
    const swap = this.#random.of([0, 1]);
    const request = this.#life.temp.json(this.#image, { swap, instance });
    const template = await this.#life.template(instance, "nothing");
    return { kind: "spawn", request, template, start: this.#random.chance(0.7) };
  }

  /** What befalls a host. Guests that should run come back by themselves, since the host has its keys. */
  async #disturb(): Promise<void> {
    const instances = await this.#instances();
    if (this.#random.chance(0.5)) {
      this.#done.push("restart of libvirtd");
      await env.restart();
    } else {
      this.#done.push("reboot of the host");
      await rebootHost(
        env,
        instances.map(({ uuid }) => nameOf(uuid)),
      );
    }
    await this.#life.on((host) => resumeGuests(host, testContext()));
    // Of those that are off, libvirt has forgotten the keys, as it should.
    await this.#expectBack();
    await this.#giveBackKeys();
  }

  /** Starts and stops those that are off, so that libvirt has all keys again. */
  async #giveBackKeys(): Promise<void> {
    for (const { uuid } of await this.#instances()) {
      if ((await this.#life.guest(uuid)) !== "off") continue;
      await this.#life.start(uuid);
      await this.#life.stop(uuid);
    }
    await expectTogether(this.#life);
  }

  async #expectBack(): Promise<void> {
    const guests = await this.#life.on(async (host) => host.inventory.guests.all());
    for (const { uuid, wanted } of guests) {
      expectSame(await this.#life.guest(uuid), wanted === "on" ? "running" : "off");
    }
  }

  async #end(): Promise<void> {
    for (const { uuid } of await this.#instances()) {
      await this.#life.on((host) => deleteById(host, uuid, { forgetMissing: false }, testContext()));
    }
    await expectTogether(this.#life);
    expectSame(await this.#life.storedKeys(), []);
    expectSame(await this.#life.guestSecrets(), []);
  }

  #instances(): Promise<readonly InstanceRecord[]> {
    return this.#life.on(async (host) => host.inventory.instances());
  }
}

function expectSame<T>(actual: T, expected: T): void {
  expect(actual).toEqual(expected);
}
