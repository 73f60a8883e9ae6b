import { setTimeout as sleep } from "node:timers/promises";
import { type InstanceRecord, type MoveTarget, offerLive } from "@luksmith/core/host";
import { connectLibvirt } from "@luksmith/libvirt/client";
import { LibvirtHypervisor } from "@luksmith/libvirt/plugin";
import { tinyGuest } from "@luksmith/testing-services";
import { beforeAll, describe, expect, test } from "vitest";
import { runChild } from "./child/run-child.ts";
import type { Action } from "./child/scenario.ts";
import { expectSeen, sweep } from "./guest-sweep.ts";
import { type LifeHost, whole } from "./life-host.ts";
import { LiveHosts } from "./live-hosts.ts";
import { filesBelow } from "./tree.ts";
import { testContext } from "./workspace.ts";

const MIB = 1024 * 1024;
const SWEEP = { timeout: 300_000 };

beforeAll(async () => void (await tinyGuest()), 300_000);

describe("invariant 1, of running guests between two hosts", () => {
  test("who expects one, or will not after all, killed at any instant: whole or nothing", SWEEP, async () => {
    const hosts = await LiveHosts.create("raw");
    const { source, target } = hosts;
    const instance = await spawnSmall(source);
    const { uuid: id } = instance;
    const document = await source.on((host) => offerLive(host, id, testContext()));
    await hosts.shareKeys();
    const isExpected = () => target.on(async (host) => host.inventory.instance(id) !== undefined);
    const expectTrue = async (): Promise<void> => {
      await expectThere(target, instance, (await isExpected()) ? "expected" : "nothing");
      await source.expectPicture(instance, whole(instance, "running"));
    };
    const expected = await sweep(
      target,
      async () => {
        if (await isExpected()) await hosts.dismiss(id);
        return { kind: "expect", document };
      },
      async () => {},
      expectTrue,
    );
    expectSeen(expected, ["journal: begin", "link", "guest: giveKey", "journal: done"]);
    expect(new Set(expected.recovered.slice(0, -1))).toEqual(new Set(["undone"]));
    const dismissed = await sweep(
      target,
      async () => {
        await hosts.expect(document);
        return { kind: "dismiss", id };
      },
      async () => {},
      // Its keys may be taken before it is certain that its disks go: who still expects it gives them again.
      async () => {
        if (await isExpected()) await hosts.expect(document);
        await expectTrue();
      },
    );
    expectSeen(dismissed, ["guest: takeKey", "unlink", "journal: done"]);
    expect(dismissed.recovered).toContain("finished");
    await hosts.expect(document);
    await hosts.revert(id);
    await hosts.dismiss(id);
  });

  test(
    "who sends one killed at any instant: it runs on exactly one host, which is known",
    SWEEP,
    async () => {
      let hosts = await LiveHosts.create("raw");
      let instance = await spawnSmall(hosts.source);
      const { uuid: id } = instance;
      let target = await hosts.prepare(id);
      const outcomes = new Set<string>();
      for (let killAt = 1; ; killAt++) {
        const action: Action = { kind: "send", target, route: hosts.route };
        const outcome = await runChild({ configFile: hosts.source.temp.configFile, action, killAt });
        const recovered = await hosts.source.on(async (host) =>
          host.recovery.operations.map((each) => each.outcome),
        );
        for (const each of recovered) outcomes.add(each);
        expect(await hosts.source.on(async (host) => host.journal.unfinished())).toEqual([]);
        const sent = await hosts.source.on(async (host) => host.inventory.guests.find(id)?.moving === "sent");
        // One that was not killed has sent it.
        expect(sent || outcome === undefined).toBe(true);
        if (!(await endsOnTarget(hosts, instance, sent, target))) continue;
        await finish(hosts, instance, killAt % 2 === 0);
        if (outcome) {
          const seen = ["journal: begin", "guest: to be sent", "send guest", "guest: sent", "journal: done"];
          expectSeen({ outcome, recovered: [] }, seen);
          break;
        }
        // Back, for the next instant.
        hosts = hosts.back();
        instance = await there(hosts.source, id);
        target = await hosts.prepare(id);
      }
      expect(outcomes).toEqual(new Set(["undone", "finished"]));
    },
  );

  test(
    "who gives up what a killed process has begun needs to know that it cannot come any more",
    SWEEP,
    async () => {
      const hosts = await LiveHosts.create("raw");
      const { source, sourceEnv } = hosts;
      const instance = await spawnSmall(source);
      const { uuid: id } = instance;
      const target = await hosts.prepare(id);
      // Killed when the hypervisor is about to be asked.
      const action: Action = { kind: "send", target, route: hosts.route };
      for (let killAt = 1; (await movingOf(source, id)) !== "sending"; killAt++) {
        expect(await runChild({ configFile: source.temp.configFile, action, killAt })).toBeUndefined();
      }
      await expectOnOneHost(hosts, instance, "source");
      await expect(hosts.revert(id)).rejects.toMatchObject({
        code: "DomainStateConflict",
        message: expect.stringContaining(`luksmith move dismiss ${id}`),
      });
      expect(await movingOf(source, id)).toBe("sending");
      const arrival = await there(hosts.target, id);
      const receipt = await hosts.dismiss(id);
      expect(await hosts.revert(id, receipt)).toMatchObject({ outcome: "kept", here: true });
      // Now the hypervisor gets to it.
      using hypervisor = new LibvirtHypervisor(sourceEnv.uri);
      const config = await source.temp.config();
      const late = hypervisor.live.send(id, { arrival, config, route: hosts.route }, testContext());
      await expect(late).rejects.toMatchObject({ code: expect.any(String) });
      expect(await hosts.target.guest(id)).toBe("absent");
      await source.expectPicture(instance, whole(instance, "running"));
    },
  );

  test("who gives up in the last moment gets an answer, and the guest is on one host", SWEEP, async () => {
    const hosts = await LiveHosts.create("raw");
    const { sourceEnv, source } = hosts;
    const instance = await spawnSmall(source);
    const { uuid: id } = instance;
    const going = hosts.send(await hosts.prepare(id));
    using libvirt = await connectLibvirt(sourceEnv.uri, testContext());
    using hypervisor = new LibvirtHypervisor(sourceEnv.uri);
    while ((await libvirt.domains.state(id, testContext())) === "running") await sleep(1);
    // Told to give up now, libvirt would wait for ever.
    await hypervisor.live.stop(id, testContext());
    expect(await hypervisor.live.fate(id, testContext())).toBe("gone");
    expect(await going).toMatchObject({ outcome: "sent" });
    await expectOnOneHost(hosts, instance, "target");
  });

  test("where libvirt itself dies, nothing is decided by guess", SWEEP, async () => {
    const hosts = await LiveHosts.create("raw");
    const { source, target, sourceEnv, targetEnv } = hosts;
    const instance = await spawnSmall(source, 96);
    const { uuid: id } = instance;
    const expected = await hosts.prepare(id);
    for (const env of [sourceEnv, targetEnv]) {
      let killed: Promise<void> | undefined;
      const ctx = testContext({ progress: () => void (killed ??= env.kill9()) });
      await expect(hosts.send(expected, {}, ctx)).rejects.toMatchObject({
        code: expect.stringMatching(/Libvirt|Domain/),
      });
      await killed;
      await env.start();
      // The daemon looks after its guests first.
      await expect.poll(() => source.guest(id), { timeout: 60_000 }).toBe("running");
      await expect.poll(() => target.guest(id), { timeout: 60_000 }).toBe("absent");
      await expect
        .poll(() => source.on(async (host) => host.journal.unfinished().length), { timeout: 60_000 })
        .toBe(0);
      // libvirt has forgotten the keys.
      await hosts.expect(await source.on((host) => offerLive(host, id, testContext())));
    }
    // It went, but neither the agent nor libvirt knows any more.
    const action: Action = { kind: "send", target: expected, route: hosts.route };
    const instants = [
      "journal: begin",
      "journal: ",
      "guest: to be sent",
      "send guest",
      "send guest",
      "guest: sent",
    ];
    const killAt = instants.length;
    expect(await runChild({ configFile: source.temp.configFile, action, killAt })).toBeUndefined();
    await expect.poll(() => target.guest(id), { timeout: 60_000 }).toBe("running");
    await expect.poll(() => source.guest(id), { timeout: 60_000 }).toBe("off");
    await sourceEnv.restart();
    expect(await source.on(async (host) => host.recovery.operations)).toMatchObject([{ outcome: "settled" }]);
    for (const guess of [() => hosts.confirm(id), () => hosts.revert(id), () => hosts.send(expected)]) {
      await expect(guess()).rejects.toMatchObject({ code: "DomainStateConflict" });
    }
    const receipt = await hosts.settle(id);
    await expect(hosts.revert(id, receipt)).rejects.toMatchObject({ code: "InvalidRequest" });
    await hosts.confirm(id, receipt);
    expect(await source.on(async (host) => host.inventory.instances())).toEqual([]);
    const arrived = await there(target, id);
    await target.expectPicture(arrived, whole(arrived, "running"));
  });
});

/** The other host has room for it either way, until it is settled or dismissed. */
async function expectOnOneHost(
  hosts: LiveHosts,
  instance: InstanceRecord,
  which: "source" | "target",
): Promise<void> {
  const { uuid: id } = instance;
  const [here, over] = which === "source" ? (["running", "absent"] as const) : (["off", "running"] as const);
  // The other libvirt forgets one that did not come in its own time.
  await expect.poll(() => hosts.target.guest(id), { timeout: 30_000 }).toBe(over);
  await hosts.source.expectPicture(instance, whole(instance, here));
  const arriving = await there(hosts.target, id);
  await hosts.target.expectPicture(arriving, whole(arriving, over));
}

/**
 * What a killed process has asked libvirt for may be carried out after recovery has looked: the guest is in doubt, and goes while
 * this looks at one host and then the other. Whoever sends it again is told.
 * @returns whether it is the other host's
 */
async function endsOnTarget(
  hosts: LiveHosts,
  instance: InstanceRecord,
  sent: boolean,
  target: MoveTarget,
): Promise<boolean> {
  const { uuid: id } = instance;
  const first = await triedOnOneHost(hosts, instance, sent ? "target" : "source");
  if (first === undefined) return sent;
  if (sent || (await movingOf(hosts.source, id)) !== "sending") throw first;
  await expect.poll(() => hosts.source.guest(id), { timeout: 60_000 }).toBe("off");
  expect(await hosts.send(target)).toMatchObject({ outcome: "sent" });
  await expectOnOneHost(hosts, instance, "target");
  return true;
}

/** @returns what is wrong */
async function triedOnOneHost(...what: Parameters<typeof expectOnOneHost>): Promise<Error | undefined> {
  return await expectOnOneHost(...what).then(
    () => undefined,
    (error: unknown) => (error instanceof Error ? error : new Error(String(error))),
  );
}

async function movingOf(life: LifeHost, id: string) {
  return await life.on(async (host) => host.inventory.guests.find(id)?.moving);
}

/** Settles and confirms, each perhaps by processes that are killed again and again. */
async function finish(hosts: LiveHosts, instance: InstanceRecord, killed: boolean): Promise<void> {
  const { uuid: id } = instance;
  const steps = [
    [hosts.target, "settle"],
    [hosts.source, "confirm"],
  ] as const;
  for (const [host, kind] of steps) {
    let ended = false;
    for (let killAt = killed ? 1 : 1000; !ended; killAt++) {
      const { configFile } = host.temp;
      const outcome = await runChild({ configFile, action: { kind, id }, killAt });
      const unfinished = await host.on(async (opened) => opened.journal.unfinished());
      expect(unfinished).toEqual([]);
      const arrived = await there(hosts.target, id);
      await hosts.target.expectPicture(arrived, whole(arrived, "running"));
      // A confirmation that was killed is finished when its host is opened next.
      const left = await hosts.source.on(async (opened) => opened.inventory.instance(id));
      ended = outcome !== undefined || left === undefined;
    }
  }
  const keys = instance.disks.map(({ name }) => name);
  await hosts.source.expectPicture(instance, { guest: "absent", disks: [], keys, secrets: [] });
  expect(filesBelow(hosts.source.temp.instancesPath)).toEqual([]);
}

async function spawnSmall(life: LifeHost, swap = 4): Promise<InstanceRecord> {
  const { instance } = await life.spawn(life.temp.addImage(2 * MIB), { swap, boots: "nothing" });
  return instance;
}

async function there(life: LifeHost, id: string): Promise<InstanceRecord> {
  const found = await life.on(async (host) => host.inventory.instance(id));
  if (!found) throw new Error(`there is no instance ${id}`);
  return found;
}

/** What the host has of a guest that is not there. Passphrases are nobody's to touch. */
async function expectThere(
  life: LifeHost,
  instance: InstanceRecord,
  what: "expected" | "nothing",
): Promise<void> {
  const names = instance.disks.map(({ name }) => name);
  const files = names.map((name) => `${instance.uuid}/${name}`).toSorted();
  expect(filesBelow(life.temp.instancesPath)).toEqual(what === "expected" ? files : []);
  const given = await life.guestSecrets();
  const secrets = instance.disks.flatMap(({ encryption }) => encryption?.secretId ?? []);
  expect(given.toSorted()).toEqual(what === "expected" ? secrets.toSorted() : []);
  expect(await life.storedKeys()).toEqual(expect.arrayContaining(secrets));
  expect(await life.guest(instance.uuid)).toBe("absent");
}
