import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { GeneratedPassphrase } from "@luksmith/core";
import { type LibvirtEnv, sharedLibvirt, startLibvirt } from "@luksmith/testing-services";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type SecretUse, usageOf } from "../src/index.ts";
import { Bench, secretOf } from "./bench.ts";

beforeAll(async () => void (await sharedLibvirt()), 180_000);

const use = (): SecretUse => ({ kind: "disk", instanceUuid: randomUUID(), diskUuid: randomUUID() });

/** A libvirt whose daemon this test alone stops and looks into. */
async function own() {
  const env = await startLibvirt();
  onTestFinished(() => env[Symbol.asyncDispose]());
  return env;
}

/** As an administrator's virsh would; its input is a file, since Node's pipes cannot be opened again. */
function virshDefine(env: LibvirtEnv, xml: string): void {
  const file = join(env.stateDirectory, `${randomUUID()}.xml`);
  writeFileSync(file, xml);
  execFileSync("virsh", ["-q", "-c", env.uri, "secret-define", file], { stdio: ["ignore", "pipe", "pipe"] });
}

function definition(uuid: string, usage: string, attributes: string): string {
  return `<secret ${attributes}><uuid>${uuid}</uuid><usage type='volume'><volume>${usage}</volume></usage></secret>`;
}

const onDisk = (env: LibvirtEnv) => {
  const folder = join(env.stateDirectory, "etc/secrets");
  return existsSync(folder) ? readdirSync(folder) : [];
};

describe("ensure", () => {
  test("sets it again and again; remove takes it away, and only then is it gone", async () => {
    const b = await Bench.open(await sharedLibvirt());
    using passphrase = GeneratedPassphrase.create();
    const secret = { uuid: randomUUID(), use: use() };
    expect(await b.secrets.absent([secret], b.ctx)).toEqual([secret]);
    await b.secrets.ensure(secret, passphrase, b.ctx);
    await b.secrets.ensure(secret, passphrase, b.ctx);
    expect(await b.secrets.list(b.ctx)).toContainEqual(secret);
    expect(await b.secrets.absent([secret], b.ctx)).toEqual([]);
    expect(await b.libvirt.secrets.attributes(secret.uuid, b.ctx)).toEqual({
      ephemeral: true,
      private: true,
    });
    expect(await b.secrets.remove(secret, b.ctx)).toBe(true);
    expect(await b.secrets.remove(secret, b.ctx)).toBe(false);
    expect(await b.libvirt.secrets.find(secret.uuid, b.ctx)).toBeUndefined();
  });

  test("replaces a stale one: the same disk, under another uuid", async () => {
    const b = await Bench.open(await sharedLibvirt());
    using passphrase = GeneratedPassphrase.create();
    const stale = { uuid: randomUUID(), use: use() };
    const fresh = { uuid: randomUUID(), use: stale.use };
    await b.secrets.ensure(stale, passphrase, b.ctx);
    await b.secrets.ensure(fresh, passphrase, b.ctx);
    expect(await b.libvirt.secrets.find(stale.uuid, b.ctx)).toBeUndefined();
    expect(await b.libvirt.secrets.findByUsage(usageOf(fresh.use), b.ctx)).toMatchObject({
      uuid: fresh.uuid,
    });
    // What was removed under a use that it no longer has stays another's.
    expect(await b.secrets.remove({ ...fresh, use: use() }, b.ctx)).toBe(false);
    expect(await b.secrets.remove(fresh, b.ctx)).toBe(true);
  });

  test.each([
    ["another disk", "volume"],
    ["Ceph", "ceph"],
  ])("refuses a uuid that %s has, and leaves it alone", async (_, type) => {
    const b = await Bench.open(await sharedLibvirt());
    using passphrase = GeneratedPassphrase.create();
    const [uuid, usage] = [randomUUID(), randomUUID()];
    const element = type === "ceph" ? "name" : "volume";
    virshDefine(
      b.env,
      `<secret ephemeral='yes'><uuid>${uuid}</uuid><usage type='${type}'><${element}>${usage}</${element}></usage></secret>`,
    );
    const wanted = { uuid, use: use() };
    await expect(b.secrets.ensure(wanted, passphrase, b.ctx)).rejects.toMatchObject({
      code: "SecretUsageConflict",
      details: { present_usage: usage, present_usage_type: type },
    });
    expect(await b.libvirt.secrets.find(uuid, b.ctx)).toMatchObject({ usage, usageType: type });
    expect(await b.libvirt.secrets.findByUsage(usageOf(wanted.use), b.ctx)).toBeUndefined();
    expect(await b.secrets.remove(wanted, b.ctx)).toBe(false);
    await b.libvirt.secrets.undefine(uuid, b.ctx);
  });

  test("lists what is ours and nothing else", async () => {
    const b = await Bench.open(await own());
    using passphrase = GeneratedPassphrase.create();
    virshDefine(b.env, definition(randomUUID(), "/var/lib/libvirt/images/other.qcow2", "ephemeral='yes'"));
    virshDefine(b.env, `<secret ephemeral='yes'><uuid>${randomUUID()}</uuid></secret>`);
    const uuid = randomUUID();
    const ours = [
      { uuid, use: { kind: "base", secretUuid: uuid } },
      { uuid: randomUUID(), use: use() },
    ] as const;
    for (const secret of ours) await b.secrets.ensure(secret, passphrase, b.ctx);
    const listed = await b.secrets.list(b.ctx);
    expect(listed).toHaveLength(2);
    expect(listed).toEqual(expect.arrayContaining([...ours]));
    expect(await b.libvirt.secrets.list(b.ctx)).toHaveLength(4);
  });

  test("tells of each that comes and goes", async () => {
    const b = await Bench.open(await own());
    using passphrase = GeneratedPassphrase.create();
    const secret = { uuid: randomUUID(), use: use() };
    const seen: string[] = [];
    await b.libvirt.secrets.onChange(
      ({ uuid, kind }) => void (uuid === secret.uuid && seen.push(kind)),
      b.ctx,
    );
    await b.secrets.ensure(secret, passphrase, b.ctx);
    await b.secrets.remove(secret, b.ctx);
    await expect.poll(() => seen).toEqual(["defined", "undefined"]);
  });
});

describe("a secret that somebody redefined", () => {
  test("as persistent lies on the host's disk: it is seen, refused if wanted, healed else", async () => {
    const b = await Bench.open(await own());
    using passphrase = GeneratedPassphrase.create();
    const secret = { uuid: randomUUID(), use: use() };
    await b.secrets.ensure(secret, passphrase, b.ctx);
    expect(await b.secrets.exposed(b.ctx)).toEqual([]);
    expect(onDisk(b.env)).toEqual([]);
    virshDefine(b.env, definition(secret.uuid, usageOf(secret.use), "ephemeral='no' private='yes'"));
    // The trap: libvirt writes the value that it had in memory.
    const base64 = readFileSync(join(b.env.stateDirectory, "etc/secrets", `${secret.uuid}.base64`), "utf8");
    expect(passphrase.use((bytes) => Buffer.from(base64, "base64").equals(bytes))).toBe(true);
    expect(await b.secrets.exposed(b.ctx)).toEqual([secret]);
    const refused = b.secrets.ensure(secret, passphrase, b.ctx, { exposed: "refuse" });
    await expect(refused).rejects.toMatchObject({ code: "SecretExposed", details: { secret: secret.uuid } });
    await b.secrets.ensure(secret, passphrase, b.ctx);
    expect(onDisk(b.env)).toEqual([]);
    expect(await b.secrets.exposed(b.ctx)).toEqual([]);
    expect(b.ctx.logged.filter(({ level }) => level === "warn")).toHaveLength(1);
  });

  test("as readable by libvirt's clients is made private again", async () => {
    const b = await Bench.open(await own());
    using passphrase = GeneratedPassphrase.create();
    const secret = { uuid: randomUUID(), use: use() };
    virshDefine(b.env, definition(secret.uuid, usageOf(secret.use), "ephemeral='yes' private='no'"));
    expect(await b.secrets.exposed(b.ctx)).toEqual([secret]);
    await b.secrets.ensure(secret, passphrase, b.ctx);
    expect(await b.secrets.exposed(b.ctx)).toEqual([]);
  });
});

test("a restart of the daemon forgets all; guests go on, and healing lets them start again", async () => {
  const env = await own();
  const before = await Bench.open(env);
  const guest = await before.boot([before.disk("vda"), before.disk("vdb")]);
  const secrets = guest.disks.map((disk) => secretOf(guest.uuid, disk));
  await guest.console.write("/dev/vda", "before");
  const pid = await env.qemuPid(guest.name);
  await env.kill9();
  await expect(before.libvirt.closed).resolves.toMatchObject({ code: "LibvirtUnavailable" });
  await expect(before.libvirt.version(before.ctx)).rejects.toMatchObject({ code: "LibvirtUnavailable" });
  await expect(Bench.open(env)).rejects.toMatchObject({ code: "LibvirtUnavailable", retryable: true });
  await env.start();
  const after = await Bench.open(env);
  expect(await after.secrets.absent(secrets, after.ctx)).toEqual(secrets);
  // The guest did not notice, and libvirt has found it again.
  expect(await guest.console.holds("/dev/vda", "before")).toBe(true);
  await expect.poll(() => after.libvirt.domains.state(guest.uuid, after.ctx)).toBe("running");
  expect(await env.qemuPid(guest.name)).toBe(pid);
  await after.libvirt.disks.grow(guest.uuid, "vda", 32n * 1_048_576n, after.ctx);
  await after.libvirt.domains.destroy(guest.uuid, after.ctx);
  await expect(after.libvirt.domains.start(guest.uuid, after.ctx)).rejects.toMatchObject({
    code: "GuestSecretMissing",
  });
  await after.setSecrets(guest);
  expect(await after.secrets.absent(secrets, after.ctx)).toEqual([]);
  await after.libvirt.domains.start(guest.uuid, after.ctx);
  await guest.console.ready();
  expect(await guest.console.holds("/dev/vda", "before")).toBe(true);
}, 300_000);
