import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { deleteById, type InstanceRecord, type MoveDocument, resumeGuests } from "@luksmith/core/host";
import type { OwnLibvirt } from "@luksmith/testing-services";
import { expect } from "vitest";
import type { Action } from "./child/scenario.ts";
import { expectTogether, recoverGuests } from "./guests-together.ts";
import { rebootHost } from "./host-reboot.ts";
import { LifeHost, nameOf } from "./life-host.ts";
import type { Random } from "./random.ts";
import type { TempHost } from "./temp-host.ts";
import { testContext } from "./workspace.ts";

const MIB = 1024 * 1024;
const MOST_INSTANCES = 3;
/** Later than this, most operations have ended. */
const LAST_INSTANT = 28;

/** Does one operation in a process that dies at an instant; undefined when it did. */
export type Act = (
  temp: TempHost,
  action: Action,
  killAt: number | undefined,
) => Promise<{ readonly error?: { readonly code: string } } | undefined>;

/** One host's life: random operations, some killed at a random instant, and everything looked at after each. */
export class RandomLife {
  readonly #random: Random;
  readonly #env: OwnLibvirt;
  readonly #act: Act;
  readonly #life: LifeHost;
  readonly #image: string;
  readonly #shelf: string;
  readonly #done: string[] = [];
  /** Documents of those that may be on the shelf, by instance. */
  readonly #shelved = new Map<string, string>();
  #copies = 0;

  constructor(random: Random, imagesType: "raw" | "qcow2", env: OwnLibvirt, act: Act) {
    this.#random = random;
    this.#env = env;
    this.#act = act;
    this.#life = new LifeHost(imagesType, env);
    this.#image = this.#life.temp.addImage(MIB);
    this.#shelf = join(this.#life.temp.root, "shelf");
    mkdirSync(this.#shelf);
  }

  /** How many operations that were. */
  async run(steps: number): Promise<number> {
    let done = 0;
    try {
      for (; done < steps; done++) await this.#step();
      await this.#end();
      return done;
    } catch (error) {
      throw new Error(`after ${this.#done.join(", ") || "nothing"}`, { cause: error });
    }
  }

  async #step(): Promise<void> {
    if (this.#random.chance(0.12)) await this.#disturb();
    const action = await this.#action();
    const killAt = this.#random.chance(0.6) ? 1 + this.#random.below(LAST_INSTANT) : undefined;
    this.#done.push(killAt === undefined ? action.kind : `${action.kind} killed at ${killAt}`);
    // What is deleted is on no shelf either.
    if (action.kind === "delete") this.#shelved.delete(action.id);
    const outcome = await this.#act(this.#life.temp, action, killAt);
    expectSame(outcome?.error, undefined);
    const without = action.kind === "rekey" ? action.id : undefined;
    await recoverGuests(this.#life, () => this.#together(without));
    // A rekey that was cut short has taken the old keys from libvirt; recovery does not know the new ones.
    if (without !== undefined) await this.#giveBackKeys();
    if (action.kind === "resume" && outcome) await this.#expectBack();
  }

  async #action(): Promise<Action> {
    const instances = await this.#instances();
    const waiting = [...this.#shelved].filter(([id]) => !instances.some(({ uuid }) => uuid === id));
    if (waiting.length > 0 && this.#random.chance(0.3)) return this.#unshelve(this.#random.of(waiting)[1]);
    if (instances.length === 0) return this.#spawn();
    const { uuid: id, disks } = this.#random.of(instances);
    const kinds = await this.#possible(id);
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
      case "snapshot": {
        const target = join(this.#life.temp.root, `copy-${++this.#copies}`);
        return {
          kind,
          id,
          request: { disk: this.#random.of(disks).name, target, format: "raw", plain: false },
        };
      }
      case "rescue":
        return { kind, id, image: this.#image };
      case "rebuild": {
        const swap = disks.some(({ name }) => name === "disk.swap") ? 1 : 0;
        return { kind, request: this.#life.temp.json(this.#image, { swap, instance: id }) };
      }
      case "shelve":
        this.#shelved.set(id, join(this.#shelf, `${id}.json`));
        return { kind, id, directory: this.#shelf };
      case "resume":
        return { kind };
      default:
        return { kind, id };
    }
  }

  /** What is not refused in the state in which a guest is. */
  async #possible(id: string) {
    const guest = await this.#life.on(async (host) => host.inventory.guests.find(id));
    const always = ["start", "stop", "hard-reboot", "resume", "delete"] as const;
    if (guest?.rescued) return [...always, "unrescue", "unrescue"] as const;
    const more = [...always, "spawn", "resize", "snapshot", "rescue", "rebuild", "shelve"] as const;
    return (await this.#life.guest(id)) === "off" ? ([...more, "rekey"] as const) : more;
  }

  async #spawn(): Promise<Action> {
    const instance = randomUUID();
    const swap = this.#random.of([0, 1]);
    const request = this.#life.temp.json(this.#image, { swap, instance });
    const template = await this.#life.template(instance, "nothing");
    return { kind: "spawn", request, template, start: this.#random.chance(0.7) };
  }

  #unshelve(path: string): Action {
    return { kind: "unshelve", document: documentOf(path), directory: this.#shelf };
  }

  /** What befalls a host. Guests that should run come back by themselves, since the host has its keys. */
  async #disturb(): Promise<void> {
    const instances = await this.#instances();
    if (this.#random.chance(0.5)) {
      this.#done.push("restart of libvirtd");
      await this.#env.restart();
    } else {
      this.#done.push("reboot of the host");
      await rebootHost(
        this.#env,
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
    await this.#together();
  }

  async #expectBack(): Promise<void> {
    const guests = await this.#life.on(async (host) => host.inventory.guests.all());
    for (const { uuid, wanted } of guests) {
      expectSame(await this.#life.guest(uuid), wanted === "on" ? "running" : "off");
    }
  }

  /** All is as it should be, here and on the shelf: an instance is in one of the two places. */
  async #together(without?: string): Promise<void> {
    const here = new Set((await this.#instances()).map(({ uuid }) => uuid));
    const elsewhere: string[] = [];
    for (const [id, path] of this.#shelved) {
      expectSame(existsSync(path), !here.has(id));
      if (here.has(id)) continue;
      elsewhere.push(...documentOf(path).disks.flatMap(({ encryption }) => encryption?.secret_id ?? []));
    }
    await expectTogether(this.#life, { elsewhere, ...(without === undefined ? {} : { without }) });
  }

  async #end(): Promise<void> {
    for (const [id, path] of this.#shelved) {
      if ((await this.#instances()).some(({ uuid }) => uuid === id)) continue;
      const outcome = await this.#act(this.#life.temp, this.#unshelve(path), undefined);
      expectSame({ survived: outcome !== undefined, error: outcome?.error }, { survived: true });
    }
    const { snapshots, instances } = await this.#life.on(async (host) => ({
      snapshots: host.inventory.snapshots(),
      instances: host.inventory.instances(),
    }));
    for (const { uuid } of [...snapshots, ...instances]) {
      await this.#life.on((host) => deleteById(host, uuid, { forgetMissing: false }, testContext()));
    }
    this.#shelved.clear();
    await expectTogether(this.#life);
    expectSame(await this.#life.storedKeys(), []);
    expectSame(await this.#life.guestSecrets(), []);
  }

  #instances(): Promise<readonly InstanceRecord[]> {
    return this.#life.on(async (host) => host.inventory.instances());
  }
}

function documentOf(path: string): MoveDocument {
  return JSON.parse(readFileSync(path, "utf8")) as MoveDocument;
}

function expectSame<T>(actual: T, expected: T): void {
  expect(actual).toEqual(expected);
}
