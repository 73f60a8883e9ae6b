import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { deleteById, type InstanceRecord } from "@luksmith/core/host";
import { describe, expect, test } from "vitest";
import { runChild, startChild } from "./child/run-child.ts";
import { addBystanders, expectConsistent } from "./host-state.ts";
import { recoverTwice } from "./recover-twice.ts";
import { type TempHost, tempHost } from "./temp-host.ts";
import { testContext } from "./workspace.ts";

const MIB = 1024 * 1024;
/** Three disks: 2 MiB root, 1 GiB ephemeral with ext4, 4 MiB swap. */
const DISKS = { ephemeral: 1, swap: 4 };

async function madeInstance(temp: TempHost, id: string): Promise<InstanceRecord | undefined> {
  await using host = await temp.read();
  return host.inventory?.instance(id);
}

describe("invariant 1: no disk without a key, no key without a disk", () => {
  test(
    "a create killed at any instant is taken back, and the next one succeeds",
    { timeout: 120_000 },
    async () => {
      const temp = tempHost();
      const image = temp.addImage(2 * MIB);
      const others = await addBystanders(temp, image);
      const instance = randomUUID();
      const request = temp.json(image, { instance, ...DISKS });
      const action = { kind: "create", request } as const;
      for (let killAt = 1; ; killAt++) {
        const outcome = await runChild({ configFile: temp.configFile, action, killAt });
        const recovered = await recoverTwice(temp, others);
        const made = await madeInstance(temp, instance);
        if (outcome) {
          expect(outcome.error).toBeUndefined();
          expect(made?.disks.length).toBe(3);
          expect(recovered).toEqual([]);
          // The sweep has seen what matters.
          const seen = new Set(outcome.instants);
          const kinds = [
            "journal: begin",
            "journal: image",
            "journal: done",
            "secret created",
            "link",
            "unlink",
            "mkdir",
          ];
          expect([...seen]).toEqual(expect.arrayContaining([...kinds, "write disk", "write disk.eph0"]));
          expect(outcome.instants.length).toBe(killAt - 1);
          break;
        }
        // Killed: nothing of it, or all, if the last journal entry was durable.
        if (made === undefined) expect(recovered).toEqual(["undone"]);
        else {
          expect(made.disks.length).toBe(3);
          await using host = await temp.write();
          await deleteById(host, instance, { forgetMissing: false }, testContext());
        }
      }
    },
  );

  test("a create killed at random times is taken back", { timeout: 120_000 }, async () => {
    const temp = tempHost();
    const image = temp.addImage(2 * MIB);
    const others = await addBystanders(temp, image);
    let killed = 0;
    for (let round = 0; round < 25; round++) {
      const request = temp.json(image, DISKS);
      const child = startChild({ configFile: temp.configFile, action: { kind: "create", request } });
      await child.ready;
      await sleep(Math.random() * 150);
      child.process.kill("SIGKILL");
      if ((await child.outcome) === undefined) killed++;
      await using host = await temp.write();
      await expectConsistent(temp, host, others);
    }
    expect(killed).toBeGreaterThan(0);
  });
});
