import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { startChild } from "./child/run-child.ts";
import { expectSeen, prepare, sweep } from "./crash-sweep.ts";
import { expectConsistent } from "./host-state.ts";

/** Three disks: 2 MiB root, 1 GiB ephemeral with ext4, 4 MiB swap. */
const DISKS = { ephemeral: 1, swap: 4 };

describe("invariant 1: no disk without a key, no key without a disk", () => {
  test(
    "a create killed at any instant is taken back, and the next one succeeds",
    { timeout: 120_000 },
    async () => {
      const prepared = await prepare();
      const { temp, image } = prepared;
      const swept = await sweep(prepared, async () => ({ kind: "create", request: temp.json(image, DISKS) }));
      const ended = [
        "journal: begin",
        "secret created",
        "journal: image",
        "mkdir",
        "truncate",
        "link",
        "unlink",
      ];
      expectSeen(swept, [...ended, "write disk", "write disk.eph0", "write disk.swap", "journal: done"]);
      expect(new Set(swept.recovered.slice(0, -1))).toEqual(new Set(["undone"]));
      // The last one's last journal entry was durable.
      expect(swept.recovered.at(-1)).toBe("");
      await using host = await temp.read();
      const made = host.inventory?.instances().filter(({ disks }) => disks.length === 3);
      expect(made?.length, "the last but one, which was durable, and the last").toBe(2);
    },
  );

  test("a create killed at random times is taken back", { timeout: 120_000 }, async () => {
    const { temp, image, others } = await prepare();
    let killed = 0;
    for (let round = 0; round < 25; round++) {
      const request = temp.json(image, { swap: 4 });
      const child = startChild({ configFile: temp.configFile, action: { kind: "create", request } });
      await child.ready;
      await sleep(Math.random() * 80);
      child.process.kill("SIGKILL");
      if ((await child.outcome) === undefined) killed++;
      await using host = await temp.write();
      await expectConsistent(temp, host, others);
    }
    expect(killed).toBeGreaterThan(0);
  });
});
