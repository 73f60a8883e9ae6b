import { execFileSync } from "node:child_process";
import { Passphrase } from "@luksmith/core";
import { createInstance, deleteById, verifyDisks } from "@luksmith/core/host";
import { type OpenStack, sharedOpenStack } from "@luksmith/testing-services";
import { beforeAll, describe, expect, test } from "vitest";
import { cryptsetupOpens } from "../oracles/cryptsetup.ts";
import { filesBelow } from "../tree.ts";
import { contextOf, openStackHost } from "./openstack-host.ts";

let openstack: OpenStack;
beforeAll(async () => {
  openstack = await sharedOpenStack();
}, 120_000);

/** What the `openstack` client says, as this user. */
function openstackClient(user: "alice" | "dave", ...args: readonly string[]): string {
  const env = { ...process.env, ...openstack.environmentFor(user) };
  return execFileSync("openstack", args, { env, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

describe("a create with a user's token", { timeout: 60_000 }, () => {
  test("keeps each passphrase in Barbican as that user's, opens with it, and delete removes both", async () => {
    const temp = openStackHost(openstack);
    const request = await temp.request(temp.addImage(1 << 20), { swap: 4 });
    const ctx = await contextOf(openstack, "alice");
    await using host = await temp.write(ctx);
    const instance = await createInstance(host, request, ctx);
    const mine = (await openstack.listSecrets("alice")).filter(({ name }) => name?.includes(instance.uuid));
    expect(mine).toHaveLength(2);

    for (const { path, encryption } of instance.disks) {
      const id = encryption?.secretId ?? "";
      const secret = mine.find(({ secret_ref }) => secret_ref.endsWith(id));
      expect(secret).toMatchObject({
        secret_type: "passphrase",
        creator_id: openstack.user("alice").id,
        algorithm: null,
        bit_length: null,
        mode: null,
        content_types: { default: "text/plain" },
      });
      const ref = `${openstack.urls.barbican}/v1/secrets/${id}`;
      const payload = openstackClient("alice", "secret", "get", ref, "--payload", "-f", "value").trim();
      expect(payload).toMatch(/^[A-Za-z0-9+/]{86}==$/);
      using passphrase = new Passphrase(Buffer.from(payload));
      using wrong = new Passphrase(Buffer.from(`${payload}\n`));
      expect(await cryptsetupOpens(path, passphrase)).toBe(true);
      expect(await cryptsetupOpens(path, wrong)).toBe(false);
      expect(JSON.stringify(ctx.logged)).not.toContain(payload);
    }
    expect(
      (await verifyDisks(host, instance.uuid, ctx)).flatMap(({ disks }) => disks.map(({ ok }) => ok)),
    ).toEqual([true, true]);

    await deleteById(host, instance.uuid, { forgetMissing: false }, ctx);
    expect(filesBelow(temp.instancesPath)).toEqual([]);
    const left = (await openstack.listSecrets("alice")).filter(({ name }) => name?.includes(instance.uuid));
    expect(left).toEqual([]);
  });

  test("registers the agent as consumer of each secret, and deletes it all the same", async () => {
    const temp = openStackHost(openstack);
    const ctx = await contextOf(openstack, "alice");
    await using host = await temp.write(ctx);
    const instance = await createInstance(host, await temp.request(temp.addImage(1 << 20)), ctx);
    const [disk] = instance.disks;
    const url = `${openstack.urls.barbican}/v1/secrets/${disk?.encryption?.secretId}/consumers`;
    const answer = await fetch(url, {
      headers: {
        "X-Auth-Token": await openstack.issueToken("alice"),
        "OpenStack-API-Version": "key-manager 1.1",
        Accept: "application/json",
      },
    });
    expect(await answer.json()).toMatchObject({
      total: 1,
      consumers: [{ service: "luksmith", resource_type: "disk", resource_id: disk?.uuid }],
    });
    await deleteById(host, instance.uuid, { forgetMissing: false }, ctx);
    expect(
      (await fetch(url, { headers: { "X-Auth-Token": await openstack.issueToken("alice") } })).status,
    ).toBe(404);
  });
});
