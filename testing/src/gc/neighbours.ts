import { randomUUID } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInstance } from "@luksmith/core/host";
import { Passphrase } from "@luksmith/core";
import { connectLibvirt } from "@luksmith/libvirt/client";
import { onTestFinished } from "vitest";
import { TempHost } from "../temp-host.ts";
import { testContext } from "../workspace.ts";
import type { DiskRecord, GcHost } from "./gc-host.ts";

/** Another host: its disk in the same pool, its secrets in the same project, under names like ours. */
export async function otherHost(gc: GcHost, sections: readonly string[]): Promise<readonly DiskRecord[]> {
  const other = new TempHost({
    imagesType: "rbd",
    plugins: [
      "@luksmith/backend-rbd",
      "@luksmith/backend-raw",
      "@luksmith/backend-qcow2",
      "@luksmith/keymgr-barbican",
    ],
    sections,
  });
  const image = other.addImage(1 << 20);
  const disks: DiskRecord[] = [];
  const ctx = await gc.vault.ctx();
  for (const storage of ["rbd", "raw", "qcow2"]) {
    const text = readFileSync(other.configFile, "utf8").replace(
      /images_type = \w+/u,
      `images_type = ${storage}`,
    );
    writeFileSync(other.configFile, text);
    await using host = await other.write(ctx);
    disks.push(...(await createInstance(host, await other.request(image), ctx)).disks);
  }
  return disks;
}

/** Things of others in every place that is looked at. Ids of those in libvirt. */
export async function addNeighbours(gc: GcHost): Promise<readonly string[]> {
  // Nova's, and an operator's.
  const nova = join(gc.temp.instancesPath, randomUUID());
  mkdirSync(nova);
  for (const name of ["disk", "disk.info", "disk.config", "console.log"])
    writeFileSync(join(nova, name), `Nova's ${name}`);
  mkdirSync(join(gc.temp.instancesPath, randomUUID()));
  mkdirSync(join(gc.temp.instancesPath, "_backup"));
  writeFileSync(join(gc.temp.instancesPath, "_backup", "disk"), "an operator's");
  await gc.rbd(["create", "--size", "1M"], `volume-${randomUUID()}`);
  await gc.rbd(["create", "--size", "1M"], `${randomUUID()}_disk`);
  for (const name of [
    `Ephemeral encryption secret for instance ${randomUUID()} BDM ${randomUUID()}`,
    "a database's",
  ]) {
    const secret = {
      name,
      secret_type: "passphrase",
      payload: randomUUID(),
      payload_content_type: "text/plain",
    };
    const answer = await gc.vault.call("POST", "/v1/secrets", secret);
    if (answer.status !== 201) throw new Error(`Barbican: ${answer.status}`);
  }
  using libvirt = await connectLibvirt(gc.life.env.uri, testContext());
  const secrets = [`${randomUUID()}_${randomUUID()}`, `/dev/vg/${randomUUID()}`].map((usage) => ({
    uuid: randomUUID(),
    usage,
  }));
  for (const secret of secrets) {
    await libvirt.secrets.define(secret, testContext());
    using passphrase = new Passphrase(Buffer.from(`foreign ${secret.uuid}`));
    await libvirt.secrets.setValue(secret.uuid, passphrase, testContext());
  }
  onTestFinished(async () => {
    using again = await connectLibvirt(gc.life.env.uri, testContext());
    for (const { uuid } of secrets) await again.secrets.undefine(uuid, testContext());
  });
  return secrets.map(({ uuid }) => uuid);
}
