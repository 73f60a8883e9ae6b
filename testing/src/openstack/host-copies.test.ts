import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInstance, deleteById, verifyDisks } from "@luksmith/core/host";
import { type OpenStack, sharedOpenStack } from "@luksmith/testing-services";
import { beforeAll, describe, expect, test } from "vitest";
import { filesBelow } from "../tree.ts";
import { testContext } from "../workspace.ts";
import { contextOf, openStackHost } from "./openstack-host.ts";

let openstack: OpenStack;
beforeAll(async () => {
  openstack = await sharedOpenStack();
}, 120_000);

const oks = (reports: Awaited<ReturnType<typeof verifyDisks>>) =>
  reports.flatMap(({ disks }) => disks.map(({ ok }) => ok));

describe("[luksmith] secret_security", { timeout: 60_000 }, () => {
  test("user: the host alone opens nothing, and has no copy", async () => {
    const temp = openStackHost(openstack, { hostCopies: true });
    const ctx = await contextOf(openstack, "alice");
    await using host = await temp.write(ctx);
    const { uuid } = await createInstance(host, await temp.request(temp.addImage(1 << 20)), ctx);
    expect(oks(await verifyDisks(host, uuid, ctx))).toEqual([true]);
    const [report] = await verifyDisks(host, uuid, testContext());
    expect(report?.disks[0]).toMatchObject({ ok: false });
    expect(JSON.stringify(report)).toMatch(/token/i);
    await deleteById(host, uuid, { forgetMissing: false }, ctx);
  });

  test("host: a sealed copy opens the disk without anybody's token, and goes with its secret", async () => {
    const temp = openStackHost(openstack, { hostCopies: true, luksmith: ["secret_security = host"] });
    const ctx = await contextOf(openstack, "alice");
    const { uuid, secretId } = await (async () => {
      await using host = await temp.write(ctx);
      const made = await createInstance(host, await temp.request(temp.addImage(1 << 20)), ctx);
      return { uuid: made.uuid, secretId: made.disks[0]?.encryption?.secretId ?? "" };
    })();
    // A process that starts after a reboot, before any user came.
    await using host = await temp.write(testContext());
    expect(oks(await verifyDisks(host, uuid, testContext()))).toEqual([true]);
    const services = await host.services();
    using passphrase = await services.keys.get({ id: secretId }, testContext());
    const text = passphrase.use((bytes) => Buffer.from(bytes));
    const clear = filesBelow(temp.statePath).filter((name) =>
      readFileSync(join(temp.statePath, name)).includes(text),
    );
    expect(clear).toEqual([]);
    // Whoever may not delete the secret shall not destroy the disk either.
    const nobody = deleteById(host, uuid, { forgetMissing: false }, testContext());
    await expect(nobody).rejects.toMatchObject({ code: "TokenMissing" });
    expect(oks(await verifyDisks(host, uuid, testContext()))).toEqual([true]);

    await deleteById(host, uuid, { forgetMissing: false }, ctx);
    await expect(services.keys.get({ id: secretId }, testContext())).rejects.toMatchObject({
      code: "TokenMissing",
    });
  });

  test("host without a plugin that keeps copies is refused before anything is made", async () => {
    const temp = openStackHost(openstack, { luksmith: ["secret_security = host"] });
    const ctx = await contextOf(openstack, "alice");
    await using host = await temp.write(ctx);
    await expect(createInstance(host, await temp.request(temp.addImage(1 << 20)), ctx)).rejects.toMatchObject(
      {
        code: "ConfigInvalid",
        message: expect.stringContaining("host-copies"),
      },
    );
  });
});
