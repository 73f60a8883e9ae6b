import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { listReceipts } from "@luksmith/core/host";
import { describe, expect, test } from "vitest";
import { expectGood } from "./cache-host.ts";
import { runChild, startChild } from "./child/run-child.ts";
import type { Outcome } from "./child/scenario.ts";
import { addInstance, expectSeen, prepare, sweep } from "./crash-sweep.ts";
import { fakeTool } from "./fake-tool.ts";
import { addDisk, diskHost, recoverDisk } from "./sweep-disk.ts";

const MIB = 1024 * 1024;

describe("invariant 1: no disk without a key, no key without a disk", () => {
  test("a delete killed at any instant is finished", { timeout: 120_000 }, async () => {
    const prepared = await prepare();
    let id = "";
    const swept = await sweep(prepared, async () => {
      // A delete that had not begun when it was killed would leave the instance, and be an error of the next create.
      id = await addInstance(prepared, 4, id || undefined);
      return { kind: "delete", id };
    });
    expectSeen(swept, ["journal: begin", "unlink", "rmdir", "secret deleted", "journal: done"]);
    expectSeen(swept, ["journal: erased"]);
    // The last one's last journal entry was durable.
    expect(new Set(swept.recovered.slice(0, -1))).toEqual(new Set(["finished"]));
    expect(swept.recovered.at(-1)).toBe("");
    // Each round has left two receipts, whoever ended it.
    await using host = await prepared.temp.read();
    const receipts = (await listReceipts(host, id)).map(({ receipt }) => receipt);
    expect(receipts.length).toBe(2 * (swept.recovered.length + 1));
    for (const { erasure, secret, header_before: before } of receipts) {
      expect(before?.active_slots).toEqual([0]);
      expect(erasure?.proof).toMatchObject({ read_back: true, stored_passphrase: "refused" });
      expect(secret?.deleted_at).toEqual(expect.any(String));
    }
  });

  test(
    "a delete of a qcow2 disk on a base killed at any instant is finished",
    { timeout: 120_000 },
    async () => {
      const host = diskHost("qcow2", 2 * MIB);
      let made: { id: string; path: string } | undefined;
      let outcome: Outcome | undefined;
      let killAt = 1;
      for (; !outcome; killAt++) {
        const { id, path }: { id: string; path: string } = made ?? (await addDisk(host));
        outcome = await runChild({
          configFile: host.temp.configFile,
          action: { kind: "delete", id },
          killAt,
        });
        expect(outcome?.error).toBeUndefined();
        await using writable = await host.temp.write();
        expect(writable.recovery.operations.filter((each) => each.outcome === "failed")).toEqual([]);
        // One that had not begun has left it, for the next round.
        made = writable.inventory.instance(id) ? { id, path } : undefined;
        await expectGood(host.temp, writable, made ? 1 : 0);
        expect(existsSync(path)).toBe(made !== undefined);
        const proof = expect.objectContaining({ read_back: true, stored_passphrase: "refused" }) as unknown;
        const receipts = await listReceipts(writable, id);
        expect(receipts.map(({ receipt }) => receipt.erasure?.proof)).toEqual(made ? [] : [proof]);
      }
      expect(outcome.instants).toEqual(
        expect.arrayContaining(["journal: erased", "unlink", "secret deleted"]),
      );
    },
  );

  test("invariant 5: a delete killed before its disks are gone has kept their secrets", async () => {
    const prepared = await prepare();
    const id = await addInstance(prepared, 4);
    const { temp } = prepared;
    const action = { kind: "delete", id } as const;
    const whole = await runChild({ configFile: temp.configFile, action });
    const order = whole?.instants.filter((name) => name === "unlink" || name === "secret deleted");
    expect(order).toEqual(["unlink", "unlink", "secret deleted", "secret deleted"]);
  });

  test.each([
    { format: "raw", plain: false },
    { format: "qcow2", plain: true },
    { format: "qcow2", plain: false },
  ] as const)(
    "a $format snapshot, plain: $plain, killed at any instant is taken back",
    { timeout: 120_000 },
    async (kind) => {
      const prepared = await prepare();
      const { snapshots } = prepared.others;
      const id = await addInstance(prepared);
      const swept = await sweep(prepared, async (round) => {
        const request = { ...kind, disk: "disk", target: join(snapshots, `copy-${round}`) };
        return { kind: "snapshot", id, request };
      });
      expectSeen(swept, ["journal: begin", "journal: image", "link", "unlink", "journal: done"]);
      expect(new Set(swept.recovered.slice(0, -1))).toEqual(new Set(["undone"]));
    },
  );

  test("a snapshot's delete killed at any instant is finished", { timeout: 120_000 }, async () => {
    const prepared = await prepare();
    const { temp, others } = prepared;
    const instance = await addInstance(prepared);
    const swept = await sweep(prepared, async (round) => {
      const target = join(others.snapshots, `copy-${round}`);
      const request = { disk: "disk", format: "raw", plain: false, target } as const;
      const action = { kind: "snapshot", id: instance, request } as const;
      const made = await runChild({ configFile: temp.configFile, action });
      return { kind: "delete", id: String(made?.result) };
    });
    expectSeen(swept, ["journal: begin", "unlink", "secret deleted", "journal: done"]);
    expect(new Set(swept.recovered.slice(0, -1))).toEqual(new Set(["finished"]));
  });

  test("a resize killed at any instant has either size, and the inventory knows which", async () => {
    const prepared = await prepare();
    const id = await addInstance(prepared);
    // Each recovery verifies the disk against the inventory's size.
    const swept = await sweep(prepared, async (round) => {
      return { kind: "resize", id, disk: "disk", bytes: 2 * MIB + round * 512 };
    });
    expectSeen(swept, ["journal: begin", "truncate", "journal: done"]);
    expect(new Set(swept.recovered.slice(0, -1))).toEqual(new Set(["settled"]));
  });

  test("a tool that outlives its killed agent leaves no file behind", async () => {
    const host = diskHost("qcow2", 2 * MIB);
    const { temp } = host;
    const { id, path: disk } = await addDisk(host);
    const snapshots = join(temp.root, "snapshots");
    mkdirSync(snapshots);
    const marks = join(temp.root, "marks");
    // Slow to start, so that it opens its output long after the agent died and another recovered.
    const path = fakeTool(
      "qemu-img",
      `touch ${marks}.started; while [ ! -e ${marks}.go ]; do sleep 0.05; done; PATH="$REAL" qemu-img "$@"; touch ${marks}.ended`,
    );
    const target = join(snapshots, "copy");
    const request = { disk: "disk", format: "qcow2", plain: true, target } as const;
    const action = { kind: "snapshot", id, request } as const;
    const child = startChild({ configFile: temp.configFile, action }, { env: { PATH: path } });
    while (!existsSync(`${marks}.started`)) await sleep(20);
    child.process.kill("SIGKILL");
    await once(child.process, "exit");
    expect(await recoverDisk(host, disk, 1)).toEqual(["undone"]);
    writeFileSync(`${marks}.go`, "");
    while (!existsSync(`${marks}.ended`)) await sleep(20);
    expect(readdirSync(snapshots)).toEqual([]);
    expect(await child.outcome).toBeUndefined();
    expect(await recoverDisk(host, disk, 1)).toEqual([]);
  });
});
