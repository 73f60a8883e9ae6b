import { once } from "node:events";
import { copyFileSync, existsSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { openers } from "@luksmith/core";
import { describe, expect, test } from "vitest";
import { baseFile } from "./cache-host.ts";
import { startChild } from "./child/run-child.ts";
import { expectSeen } from "./crash-sweep.ts";
import { fakeTool } from "./fake-tool.ts";
import { addDisk, type DiskHost, diskHost, recoverDisk, sweepDisk, untilIdle } from "./sweep-disk.ts";

const MIB = 1024 * 1024;

/** Where the inventory says that the disks stand. */
async function backingsOf({ temp }: DiskHost): Promise<readonly (string | undefined)[]> {
  await using host = await temp.read();
  const disks = host.inventory?.instances().flatMap((instance) => instance.disks) ?? [];
  return disks.map(({ source }) => source.backing?.file);
}

describe("a disk whose base is taken away or changed", { timeout: 120_000 }, () => {
  test("killed at any instant of a flatten, has its content, and the inventory knows where it stands", async () => {
    const host = diskHost("qcow2", 6 * MIB);
    let disk = { id: "", path: "" };
    let count = 0;
    const swept = await sweepDisk(host, async () => {
      // One that was flattened has nothing more to flatten.
      if ((await backingsOf(host)).every((backing) => backing === undefined)) {
        disk = await addDisk(host);
        count++;
      }
      return { action: { kind: "flatten", id: disk.id, disk: "disk" }, path: disk.path, count };
    });
    expectSeen(swept, ["journal: begin", "flatten disk", "datasync", "journal: done"]);
    expect(new Set(swept.recovered.slice(0, -1))).toEqual(new Set(["settled"]));
    expect(await backingsOf(host)).toEqual(Array(count).fill(undefined));
    // With its base gone, the last one still is what it was.
    rmSync(baseFile(host.temp, host.image));
    expect(await recoverDisk(host, disk.path, count)).toEqual([]);
  });

  test("killed at random moments of a flatten together with the tool, has its content", async () => {
    const host = diskHost("qcow2", 24 * MIB);
    const { id, path } = await addDisk(host);
    const { configFile } = host.temp;
    for (let round = 0; round < 3; round++) {
      const child = startChild({ configFile, action: { kind: "flatten", id, disk: "disk" } });
      await child.ready;
      await sleep(30 + Math.random() * 120);
      child.process.kill("SIGKILL");
      for (const opener of await openers(path)) {
        const pid = /\((\d+)\)$/.exec(opener)?.[1];
        // Gone by now, perhaps.
        if (pid !== undefined && opener.startsWith("qemu-img")) kill(Number(pid));
      }
      await child.outcome;
      await untilIdle(path);
      await recoverDisk(host, path, 1);
    }
    await using writable = await host.temp.write();
    expect(writable.journal.unfinished()).toEqual([]);
  });

  test("killed at any instant of a rebase, stands on one base or the other, and the inventory knows which", async () => {
    const host = diskHost("qcow2", 2 * MIB);
    const { id, path } = await addDisk(host);
    const base = baseFile(host.temp, host.image);
    const swept = await sweepDisk(host, async (round) => {
      const file = join(dirname(base), `copy-${round}`);
      copyFileSync(base, file);
      return { action: { kind: "rebase", id, request: { disk: "disk", file } }, path, count: 1 };
    });
    expectSeen(swept, ["compare bases", "journal: begin", "datasync", "journal: done"]);
    // Comparing changes nothing, so that there is nothing to settle.
    const begun = swept.outcome.instants.indexOf("journal: begin");
    expect(new Set(swept.recovered.slice(0, begun))).toEqual(new Set([""]));
    expect(new Set(swept.recovered.slice(begun, -1))).toEqual(new Set(["settled"]));
    const last = swept.recovered.length + 1;
    expect(await backingsOf(host)).toEqual([join(dirname(base), `copy-${last}`)]);
  });

  test("is not touched while a tool that outlived its killed agent may still work on it", async () => {
    const host = diskHost("qcow2", 2 * MIB);
    const { temp } = host;
    const { id, path } = await addDisk(host);
    const marks = join(temp.root, "marks");
    // Slow to start: it opens the disk long after the agent has died.
    const PATH = fakeTool(
      "qemu-img",
      `touch ${marks}.started; while [ ! -e ${marks}.go ]; do sleep 0.05; done; PATH="$REAL" exec qemu-img "$@"`,
    );
    const action = { kind: "flatten", id, disk: "disk" } as const;
    const child = startChild({ configFile: temp.configFile, action }, { env: { PATH } });
    while (!existsSync(`${marks}.started`)) await sleep(20);
    child.process.kill("SIGKILL");
    await once(child.process, "exit");
    {
      await using writable = await temp.write();
      expect(writable.recovery.operations).toMatchObject([{ kind: "flatten", outcome: "failed" }]);
      expect(writable.recovery.operations[0]?.error).toMatch(/is open in .*\(\d+\)/);
      expect(() => writable.claim(id)).toThrow(/flatten .* could not be ended yet/);
    }
    writeFileSync(`${marks}.go`, "");
    await untilIdle(path);
    expect(await recoverDisk(host, path, 1)).toEqual(["settled"]);
    expect(await backingsOf(host)).toEqual([undefined]);
    await child.outcome;
  });
});

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // it has ended
  }
}
