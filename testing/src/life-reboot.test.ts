import {
  deleteById,
  rebootGuest,
  type ResumedGuest,
  resumeGuests,
  startGuest,
  stopGuest,
} from "@luksmith/core/host";
import {
  type OpenStack,
  type OwnLibvirt,
  sharedOpenStack,
  startLibvirt,
  tinyGuest,
} from "@luksmith/testing-services";
import { beforeAll, describe, expect, test } from "vitest";
import { rebootHost } from "./host-reboot.ts";
import { GONE, LifeHost, nameOf, whole } from "./life-host.ts";
import { barbicanPlugins, contextOf } from "./openstack/openstack-host.ts";
import { rawBytesContain } from "./oracles/raw-bytes.ts";
import { testContext } from "./workspace.ts";

const MIB = 1024 * 1024;
const TEXT = "written before the reboot, and still there after it";

beforeAll(async () => {
  await tinyGuest();
}, 300_000);

/** A process that starts after a reboot, with nobody's token. */
function resumed(life: LifeHost): Promise<readonly ResumedGuest[]> {
  return life.on((host) => resumeGuests(host, testContext()));
}

describe.each(["raw", "qcow2"] as const)("on %s disks", (imagesType) => {
  test("what should run runs again after a reboot of the host, with what it had written", async () => {
    await using env = await startLibvirt();
    const life = new LifeHost(imagesType, env);
    const image = await life.guestImage();
    const { instance } = await life.spawn(image, { ephemeral: 1, swap: 32 });
    const off = await life.spawn(image, { start: false });
    const { uuid } = instance;
    const console = life.console(uuid);
    const first = await console.ready();
    await console.run(`echo '${TEXT}' > /on-root; mkdir /eph; mount -t ext4 /dev/vdb /eph`);
    await console.run(`echo '${TEXT}' > /eph/on-ephemeral; umount /eph; sync`);
    await console.write("/dev/vdc", TEXT, { offset: MIB });

    // Another process of the agent finds nothing to do.
    expect(await resumed(life)).toMatchObject([{ uuid, outcome: "running", running: true }]);

    await rebootHost(env, [nameOf(uuid)]);
    await life.expectPicture(instance, { ...whole(instance, "off"), secrets: [] });
    expect(await resumed(life)).toMatchObject([{ uuid, outcome: "started", running: true }]);
    await life.expectPicture(instance, whole(instance, "running"));
    await life.expectPicture(off.instance, { ...whole(off.instance, "off"), secrets: [] });
    expect(await console.ready()).not.toBe(first);
    expect(await console.run("cat /on-root")).toBe(TEXT);
    expect(await console.run("mount -t ext4 -o ro /dev/vdb /eph; cat /eph/on-ephemeral; umount /eph")).toBe(
      TEXT,
    );
    expect(await console.holds("/dev/vdc", TEXT, { offset: MIB })).toBe(true);
    // What the guest reads is on no disk in clear.
    await life.stop(uuid);
    for (const { path } of instance.disks) expect(await rawBytesContain(path, TEXT)).toBe(false);
  }, 600_000);

  test("a restart of libvirtd leaves guests running, and the keys it forgot are given again", async () => {
    await using env = await startLibvirt();
    const life = new LifeHost(imagesType, env);
    const { instance } = await life.spawn(life.temp.addImage(2 * MIB), { swap: 4, boots: "nothing" });
    const pid = await env.qemuPid(nameOf(instance.uuid));
    await env.restart();
    await life.expectPicture(instance, { ...whole(instance, "running"), secrets: [] });
    expect(await resumed(life)).toMatchObject([{ outcome: "healed", running: true }]);
    await life.expectPicture(instance, whole(instance, "running"));
    expect(await env.qemuPid(nameOf(instance.uuid))).toBe(pid);

    // A start needs no healing before it: it brings the keys itself.
    await env.restart();
    const ctx = testContext();
    await life.on((host) => rebootGuest(host, instance.uuid, { hard: true }, ctx));
    await life.expectPicture(instance, whole(instance, "running"));
    expect(await env.qemuPid(nameOf(instance.uuid))).not.toBe(pid);
    await life.on((host) => deleteById(host, instance.uuid, { forgetMissing: false }, ctx));
    await life.expectPicture(instance, GONE);
  }, 120_000);

  test("one connection serves an agent that outlives libvirtd; while that is away, the answer is an error", async () => {
    await using env = await startLibvirt();
    const life = new LifeHost(imagesType, env);
    const { instance } = await life.spawn(life.temp.addImage(2 * MIB), { boots: "nothing" });
    const ctx = testContext();
    await life.on(async (host) => {
      await env.restart();
      await stopGuest(host, instance.uuid, { timeoutMs: 0 }, ctx);
      await env.stop();
      await expect(startGuest(host, instance.uuid, ctx)).rejects.toMatchObject({
        code: "LibvirtUnavailable",
      });
      await env.start();
      await startGuest(host, instance.uuid, ctx);
    });
    await life.expectPicture(instance, whole(instance, "running"));
  }, 120_000);
});

describe("with the users' passphrases in Barbican, after a reboot of the host", () => {
  let openstack: OpenStack;
  beforeAll(async () => {
    openstack = await sharedOpenStack();
  }, 300_000);

  const spawned = async (env: OwnLibvirt, security: "user" | "host") => {
    const { plugins, sections } = barbicanPlugins(openstack);
    const life = new LifeHost("raw", env, {
      keyPlugins: [...plugins, "@luksmith/keymgr-local/host-copies"],
      sections,
      luksmith: [`secret_security = ${security}`],
    });
    const alice = await contextOf(openstack, "alice");
    const { instance } = await life.spawn(life.temp.addImage(2 * MIB), { swap: 4, boots: "nothing" }, alice);
    return { life, instance, alice, name: nameOf(instance.uuid) };
  };
  const guestOf = (life: LifeHost, { uuid }: { readonly uuid: string }) => life.guest(uuid);

  test("secret_security = user: a guest waits for a token, and a start with one brings it back", async () => {
    await using env = await startLibvirt();
    const { life, instance, alice, name } = await spawned(env, "user");
    const nobody = testContext();
    // libvirt has the keys: who may start it needs no token.
    await life.on((host) => stopGuest(host, instance.uuid, { timeoutMs: 0 }, nobody));
    await life.on((host) => startGuest(host, instance.uuid, nobody));

    await rebootHost(env, [name]);
    const [waiting] = await resumed(life);
    expect(waiting).toMatchObject({
      outcome: "waiting",
      running: false,
      error: expect.stringMatching(/token/i),
    });
    expect(await guestOf(life, instance)).toBe("off");
    await expect(life.on((host) => startGuest(host, instance.uuid, nobody))).rejects.toMatchObject({
      code: "TokenMissing",
    });
    await life.on((host) => startGuest(host, instance.uuid, alice), alice);
    expect(await guestOf(life, instance)).toBe("running");

    // It runs on without its keys; a stop and start would need the token again.
    await env.restart();
    expect(await resumed(life)).toMatchObject([{ outcome: "waiting", running: true }]);
    await life.on((host) => startGuest(host, instance.uuid, alice), alice);
    expect(await resumed(life)).toMatchObject([{ outcome: "running", running: true }]);

    await expect(
      life.on((host) => deleteById(host, instance.uuid, { forgetMissing: false }, nobody)),
    ).rejects.toMatchObject({ code: "TokenMissing" });
    expect(await guestOf(life, instance)).toBe("running");
    await life.on((host) => deleteById(host, instance.uuid, { forgetMissing: false }, alice), alice);
    expect(await guestOf(life, instance)).toBe("absent");
  }, 180_000);

  test("secret_security = host: guests come back by themselves", async () => {
    await using env = await startLibvirt();
    const { life, instance, alice, name } = await spawned(env, "host");
    await rebootHost(env, [name]);
    expect(await resumed(life)).toMatchObject([{ outcome: "started", running: true }]);
    expect(await guestOf(life, instance)).toBe("running");
    await env.restart();
    expect(await resumed(life)).toMatchObject([{ outcome: "healed", running: true }]);
    await life.on((host) => deleteById(host, instance.uuid, { forgetMissing: false }, alice), alice);
    expect(await guestOf(life, instance)).toBe("absent");
    expect(await life.guestSecrets()).toEqual([]);
  }, 180_000);
});
