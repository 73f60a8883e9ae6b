import { rmSync } from "node:fs";
import { deleteById } from "@luksmith/core/host";
import { describe, expect, test } from "vitest";
import type { ImagesType } from "./cache-host.ts";
import { runChild } from "./child/run-child.ts";
import { expectSeen } from "./crash-sweep.ts";
import { addDisk, diskHost, sweepDisk } from "./sweep-disk.ts";
import { testContext } from "./workspace.ts";

const MIB = 1024 * 1024;

describe("invariant 1: no disk without a key, no key without a disk", () => {
  test.each<ImagesType>(["raw", "qcow2"])(
    "a rekey on %s killed at any instant leaves one passphrase, the old one or the new one",
    { timeout: 120_000 },
    async (imagesType) => {
      const host = diskHost(imagesType, 2 * MIB);
      const { id, path } = await addDisk(host);
      const swept = await sweepDisk(host, async () => ({ action: { kind: "rekey", id }, path, count: 1 }));
      const slots = ["datasync", "datasync", "datasync", "datasync"];
      const journal = ["journal: begin", "secret created", "journal: image"];
      const ended = ["journal: drop-key+forget", "secret deleted", "journal: done"];
      expectSeen(swept, [...journal, ...slots, ...ended]);
      const { instants } = swept.outcome;
      expect(instants.filter((name) => name === "datasync")).toEqual(slots);
      // The point of no return: until the inventory has the new one, the old one stays.
      const turn = instants.indexOf("journal: drop-key+forget");
      const outcomes = swept.recovered.slice(0, -1);
      expect(new Set(outcomes.slice(0, turn))).toEqual(new Set(["undone"]));
      expect(new Set(outcomes.slice(turn))).toEqual(new Set(["finished"]));
      // The last one's last journal entry was durable.
      expect(swept.recovered.at(-1)).toBe("");
    },
  );

  test("a disk that is gone for good in the middle of a rekey can be forgotten, with both passphrases", async () => {
    const host = diskHost("raw", 2 * MIB);
    const { temp } = host;
    for (const at of ["journal: image", "journal: drop-key+forget"]) {
      const { id, path } = await addDisk(host);
      const action = { kind: "rekey", id } as const;
      const all = await runChild({ configFile: temp.configFile, action });
      const killAt = (all?.instants.indexOf(at) ?? -1) + 1;
      expect(killAt).toBeGreaterThan(0);
      expect(await runChild({ configFile: temp.configFile, action, killAt })).toBeUndefined();
      rmSync(path);

      await using writable = await temp.write();
      expect(writable.recovery.operations).toMatchObject([{ kind: "rekey", outcome: "failed" }]);
      const forget = (forgetMissing: boolean) => deleteById(writable, id, { forgetMissing }, testContext());
      await expect(forget(false)).rejects.toMatchObject({ code: "RecoveryIncomplete" });
      await forget(true);
      expect(writable.journal.unfinished()).toEqual([]);
      expect(writable.inventory.instances()).toEqual([]);
      const left: unknown[] = [];
      const { keys } = await writable.services();
      for await (const secret of keys.list?.({}, testContext()) ?? []) left.push(secret);
      expect(left).toEqual([]);
    }
  });
});
