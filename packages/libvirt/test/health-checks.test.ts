import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { GeneratedPassphrase, type HealthCheck } from "@luksmith/core";
import { testContext } from "@luksmith/testkit";
import { type LibvirtEnv, sharedLibvirt, startLibvirt } from "@luksmith/testing-services";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { libvirtChecks } from "../src/health-checks.ts";
import { LazyConnection } from "../src/hypervisor/lazy-connection.ts";
import { usageOf } from "../src/index.ts";
import { Bench } from "./bench.ts";

beforeAll(async () => void (await sharedLibvirt()), 180_000);

function check(env: Pick<LibvirtEnv, "uri">, id: string): () => ReturnType<HealthCheck["run"]> {
  const connection = new LazyConnection(env.uri);
  onTestFinished(() => connection[Symbol.dispose]());
  const found = libvirtChecks(connection).find((each) => each.id === id);
  if (!found) throw new Error(`no check ${id}`);
  return () => found.run({ instances: [] }, testContext());
}

describe("libvirtChecks", () => {
  test("say which versions there are, and that secrets are kept as they should be", async () => {
    const env = await sharedLibvirt();
    expect(await check(env, "libvirt.version")()).toMatchObject([{ severity: "ok" }]);
    expect(await check(env, "libvirt.secrets")()).toEqual([]);
  });

  test.each(["libvirt.version", "libvirt.secrets", "libvirt.exposed", "libvirt.overlays"])(
    "%s says when libvirt is away",
    async (id) => {
      const away = check({ uri: "qemu+unix:///system?socket=/nowhere/libvirt-sock" }, id)();
      await expect(away).rejects.toMatchObject({ code: "LibvirtUnavailable" });
    },
  );

  test.each([
    ["persistent", "ephemeral='no' private='yes'"],
    ["readable", "ephemeral='yes' private='no'"],
  ])("find a secret that somebody made %s, and leave it as it is", async (_, attributes) => {
    const env = await startLibvirt();
    onTestFinished(() => env[Symbol.asyncDispose]());
    expect(await check(env, "libvirt.secrets")()).toEqual([]);
    const list = execFileSync("virsh", ["-q", "-c", env.uri, "secret-list"], { encoding: "utf8" });
    expect(list.trim()).toBe("");
    const exposed = check(env, "libvirt.exposed");
    const b = await Bench.open(env);
    using passphrase = GeneratedPassphrase.create();
    const use = { kind: "disk", instanceUuid: randomUUID(), diskUuid: randomUUID() } as const;
    const [fine, bad] = [randomUUID(), randomUUID()];
    await b.secrets.ensure({ uuid: fine, use: { ...use, diskUuid: randomUUID() } }, passphrase, b.ctx);
    expect(await exposed()).toEqual([]);
    const xml = `<secret ${attributes}><uuid>${bad}</uuid><usage type='volume'><volume>${usageOf(use)}</volume></usage></secret>`;
    const file = join(env.stateDirectory, "secret.xml");
    writeFileSync(file, xml);
    execFileSync("virsh", ["-q", "-c", env.uri, "secret-define", file]);
    expect(await exposed()).toMatchObject([
      {
        severity: "error",
        finding: expect.stringContaining(use.diskUuid),
        fix: expect.stringContaining(bad),
      },
    ]);
    expect(await b.libvirt.secrets.find(bad, b.ctx)).toBeDefined();
  });

  test(
    "find an overlay in clear that virsh has put on a running guest's disk",
    { timeout: 120_000 },
    async () => {
      const env = await startLibvirt();
      onTestFinished(() => env[Symbol.asyncDispose]());
      const overlays = check(env, "libvirt.overlays");
      const b = await Bench.open(env);
      const guest = await b.define([b.disk("vda")]);
      await b.setSecrets(guest);
      await b.libvirt.domains.start(guest.uuid, b.ctx, { paused: true });
      expect(await overlays()).toEqual([]);
      const file = b.path("overlay.qcow2");
      const spec = `vda,snapshot=external,file=${file}`;
      const args = ["snapshot-create-as", guest.uuid, "--no-metadata", "--disk-only", "--diskspec", spec];
      execFileSync("virsh", ["-q", "-c", env.uri, ...args], { stdio: "pipe" });
      const found = await overlays();
      expect(found).toMatchObject([
        {
          severity: "error",
          finding: expect.stringContaining(file),
          fix: expect.stringContaining("blockcommit"),
        },
      ]);
      expect(found[0]?.finding).toContain(guest.root.file);
    },
  );
});
