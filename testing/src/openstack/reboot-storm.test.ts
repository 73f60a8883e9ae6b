import { randomUUID } from "node:crypto";
import {
  exportAudit,
  type InstanceRecord,
  resumeGuests,
  spawnGuest,
  startGuest,
  verifyAuditLog,
  verifyDisks,
  type WritableHost,
} from "@luksmith/core/host";
import {
  FaultProxy,
  type OpenStack,
  sharedOpenStack,
  startLibvirt,
  tinyGuest,
} from "@luksmith/testing-services";
import { beforeAll, describe, expect, test } from "vitest";
import { LifeHost } from "../life-host.ts";
import { testContext, type TestContext } from "../workspace.ts";
import { contextOf } from "./openstack-host.ts";

/** `LUKSMITH_STORM=200 npx pnpm exec vitest run testing/src/openstack/reboot-storm.test.ts` */
const GUESTS = Number(process.env["LUKSMITH_STORM"] ?? 20);
/** So many of them are really started: each is a process of QEMU. */
const STARTED = Number(process.env["LUKSMITH_STORM_STARTS"] ?? 3);
const AT_ONCE = 8;

let openstack: OpenStack;
beforeAll(async () => {
  openstack = await sharedOpenStack();
  await tinyGuest();
}, 300_000);

function lifeHost(
  env: ConstructorParameters<typeof LifeHost>[1],
  barbicanUrl: string,
  ...luksmith: readonly string[]
): LifeHost {
  return new LifeHost("raw", env, {
    keyPlugins: ["@luksmith/keymgr-barbican", "@luksmith/keymgr-local/host-copies"],
    sections: [
      "[barbican]",
      `auth_endpoint = ${openstack.urls.keystone}`,
      `barbican_endpoint = ${barbicanUrl}`,
    ],
    luksmith: ["secret_security = host", ...luksmith],
  });
}

async function spawnMany(life: LifeHost, host: WritableHost, count: number, ctx: TestContext): Promise<void> {
  const image = life.temp.addImage(1 << 20);
  const left = Array.from({ length: count }, () => randomUUID()).values();
  const work = async (): Promise<void> => {
    for (const instance of left) {
      const request = await life.temp.request(image, { instance });
      const template = await life.template(instance, "nothing");
      await spawnGuest(host, request, { start: false, template }, ctx);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

/** What the start of each guest does before QEMU: its passphrase read, and given to libvirt. */
async function restoreKeys(host: WritableHost, instances: readonly InstanceRecord[]): Promise<void> {
  const { keys, hypervisor } = await host.services();
  const ctx = testContext();
  const left = instances.values();
  const work = async (): Promise<void> => {
    for (const { uuid: instanceUuid, disks } of left) {
      for (const { uuid: diskUuid, encryption } of disks) {
        const secretId = encryption?.secretId ?? "";
        using passphrase = await keys.get({ id: secretId }, ctx);
        await hypervisor.giveKey(
          { secretId, use: { kind: "disk", instanceUuid, diskUuid } },
          passphrase,
          ctx,
        );
      }
    }
  };
  await Promise.all(Array.from({ length: host.config.luksmith.guest_starts_at_once }, work));
}

describe("after a reboot of the host, with Barbican down", () => {
  test(`the passphrases of ${GUESTS} guests come back, and guests start`, async () => {
    await using env = await startLibvirt();
    const barbican = await FaultProxy.start(openstack.urls.barbican);
    const life = lifeHost(env, barbican.url);
    await life.on(async (host) => spawnMany(life, host, GUESTS, await contextOf(openstack, "alice")));
    await env.restart();
    expect(await life.guestSecrets()).toEqual([]);
    await barbican[Symbol.asyncDispose]();

    await life.on(async (host) => {
      const instances = host.inventory.instances();
      expect(instances).toHaveLength(GUESTS);
      const [began, cpu, rss] = [performance.now(), process.cpuUsage(), process.memoryUsage.rss()];
      await restoreKeys(host, instances);
      const ms = performance.now() - began;
      const { user, system } = process.cpuUsage(cpu);
      const more = (process.memoryUsage.rss() - rss) / (1 << 20);
      console.log(
        `${GUESTS} passphrases given to libvirt in ${ms.toFixed(0)} ms, ${((user + system) / 1000).toFixed(0)} ms of processor time, ${more.toFixed(1)} MiB more of memory`,
      );
      const secrets = instances.map(({ disks }) => disks[0]?.encryption?.secretId ?? "");
      expect((await life.guestSecrets()).toSorted()).toEqual(secrets.toSorted());

      for (const { uuid } of instances.slice(0, STARTED)) host.inventory.guests.setWanted(uuid, "on");
      const resumed = await resumeGuests(host, testContext());
      expect(resumed.map(({ outcome }) => outcome)).toEqual(Array.from({ length: STARTED }, () => "started"));
      expect(await verifyDisks(host, instances.at(-1)?.uuid, testContext())).toMatchObject([
        { disks: [{ ok: true }] },
      ]);

      const read = (await exportAudit(host)).lines.filter((line) => line.includes('"event":"key.read"'));
      expect(read.length).toBeGreaterThanOrEqual(GUESTS);
      for (const line of read.slice(-GUESTS)) expect(JSON.parse(line)).not.toHaveProperty("token");
      const tokened = (await exportAudit(host)).lines.find((line) => line.includes('"event":"key.created"'));
      expect(JSON.parse(tokened ?? "{}")).toMatchObject({
        outcome: "ok",
        token: { userName: "alice", projectId: openstack.user("alice").projectId },
      });
      expect(await verifyAuditLog(host)).toMatchObject({ ok: true, findings: [] });
    });
  }, 3_600_000);

  test("a user's start uses the copy too; one that is too old is not used, but removed", async () => {
    await using env = await startLibvirt();
    const barbican = await FaultProxy.start(openstack.urls.barbican);
    const life = lifeHost(env, barbican.url, "host_copy_lifetime = 3600");
    const alice = await contextOf(openstack, "alice");
    await life.on((host) => spawnMany(life, host, 1, alice));
    await env.restart();
    await barbican[Symbol.asyncDispose]();
    const uuid = await life.on(async (host) => {
      const [instance] = host.inventory.instances();
      await startGuest(host, instance?.uuid ?? "", alice);
      return instance?.uuid ?? "";
    });
    expect(await life.guest(uuid)).toBe("running");
    await life.stop(uuid);
    await env.restart();

    const hasty = new LifeHost("raw", env, {
      root: life.temp.root,
      keyPlugins: ["@luksmith/keymgr-barbican", "@luksmith/keymgr-local/host-copies"],
      sections: [
        "[barbican]",
        `auth_endpoint = ${openstack.urls.keystone}`,
        `barbican_endpoint = ${barbican.url}`,
      ],
      luksmith: ["secret_security = host", "host_copy_lifetime = 1"],
    });
    await new Promise((resolve) => setTimeout(resolve, 1100));
    await expect(hasty.start(uuid)).rejects.toMatchObject({ code: "TokenMissing" });
    await expect(hasty.start(uuid, alice)).rejects.toMatchObject({ code: "KeyManagerUnavailable" });
    // It is gone, also for a host that would take it.
    await expect(life.start(uuid)).rejects.toMatchObject({ code: "TokenMissing" });
  }, 600_000);
});
