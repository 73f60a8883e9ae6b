import { randomUUID } from "node:crypto";
import { type OpenStack, sharedOpenStack } from "@luksmith/testing-services";
import { beforeAll, describe, expect, test } from "vitest";
import { runChild } from "../child/run-child.ts";
import { filesBelow } from "../tree.ts";
import { testContext } from "../workspace.ts";
import { expectNothingLeft, secretsOf } from "./nothing-left.ts";
import { contextOf, openStackHost, tokenFile } from "./openstack-host.ts";

let openstack: OpenStack;
beforeAll(async () => {
  openstack = await sharedOpenStack();
}, 120_000);

describe("invariant 1: no key without a disk, with keys in Barbican", { timeout: 120_000 }, () => {
  test("a secret that Barbican stored and the journal does not know is found by name and removed", async () => {
    const temp = openStackHost(openstack);
    const instance = randomUUID();
    const request = temp.json(temp.addImage(1 << 20), { instance });
    const { projectId } = openstack.user("alice");
    (request["server"] as Record<string, unknown>)["tenant_id"] = projectId;
    const scenario = { configFile: temp.configFile, tokenFile: await tokenFile(openstack, "alice", temp) };
    const action = { kind: "create", request } as const;
    // The first instant is the journal's beginning, the second Barbican's answer.
    expect(await runChild({ ...scenario, action, killAt: 2 })).toBeUndefined();
    expect(await secretsOf(openstack, "alice", instance)).toHaveLength(1);

    // Nobody, and somebody else, see no secret, and do not take that for an answer.
    for (const [ctx, code] of [
      [testContext(), /token/i],
      [await contextOf(openstack, "mallory"), new RegExp(projectId)],
    ] as const) {
      await using host = await temp.write(ctx);
      expect(host.recovery.operations).toMatchObject([
        { outcome: "failed", error: expect.stringMatching(code) },
      ]);
      expect(host.journal.unfinished()).toHaveLength(1);
    }
    expect(await secretsOf(openstack, "alice", instance)).toHaveLength(1);

    {
      await using host = await temp.write(await contextOf(openstack, "alice"));
      expect(host.recovery.operations).toMatchObject([{ outcome: "undone" }]);
    }
    await expectNothingLeft(temp, openstack, "alice", instance);
  });

  test("a create and a delete killed at any instant are taken back, or finished", async () => {
    const temp = openStackHost(openstack);
    const image = temp.addImage(1 << 20);
    const scenario = { configFile: temp.configFile, tokenFile: await tokenFile(openstack, "alice", temp) };
    let last: string | undefined;
    for (let killAt = 1; ; killAt++) {
      const instance = randomUUID();
      const request = temp.json(image, { instance });
      const outcome = await runChild({ ...scenario, action: { kind: "create", request }, killAt });
      const ctx = await contextOf(openstack, "alice");
      await using host = await temp.write(ctx);
      expect(host.recovery.operations.filter(({ outcome: ended }) => ended === "failed")).toEqual([]);
      const kept = host.inventory.instance(instance);
      expect(await secretsOf(openstack, "alice", instance)).toHaveLength(kept ? 1 : 0);
      const files = filesBelow(temp.instancesPath).filter((name) => name.includes(instance));
      expect(files).toHaveLength(kept ? 1 : 0);
      if (kept) last = instance;
      if (outcome) break;
    }
    expect(last).toBeDefined();
    for (let killAt = 1; ; killAt++) {
      const outcome = await runChild({ ...scenario, action: { kind: "delete", id: last ?? "" }, killAt });
      await using host = await temp.write(await contextOf(openstack, "alice"));
      expect(host.recovery.operations.filter(({ outcome: ended }) => ended === "failed")).toEqual([]);
      // Killed before its first journal entry, it changed nothing; after it, recovery has finished it.
      if (outcome || !host.inventory.instance(last ?? "")) break;
    }
    expect(await secretsOf(openstack, "alice", last ?? "")).toEqual([]);
    expect(filesBelow(temp.instancesPath).join()).not.toContain(last);
  });
});
