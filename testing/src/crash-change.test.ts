import { once } from "node:events";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createInstance } from "@luksmith/core/host";
import { describe, expect, test } from "vitest";
import { runChild, startChild } from "./child/run-child.ts";
import type { Action } from "./child/scenario.ts";
import { fakeTool } from "./fake-tool.ts";
import { addBystanders, type Bystanders } from "./host-state.ts";
import { recoverTwice } from "./recover-twice.ts";
import { type TempHost, tempHost } from "./temp-host.ts";
import { testContext } from "./workspace.ts";

const MIB = 1024 * 1024;

interface Prepared {
  readonly temp: TempHost;
  readonly image: string;
  readonly others: Bystanders;
}

async function prepare(): Promise<Prepared> {
  const temp = tempHost();
  const image = temp.addImage(2 * MIB);
  return { temp, image, others: await addBystanders(temp, image) };
}

async function addInstance({ temp, image }: Prepared, swap = 0): Promise<string> {
  await using host = await temp.write();
  return (await createInstance(host, await temp.request(image, { swap }), testContext())).uuid;
}

/**
 * Runs an operation again and again, killed one instant later each time, until it completes, and recovers each time.
 * @returns what recovery did, by instant
 */
async function sweep(
  { temp, others }: Prepared,
  actionOf: (round: number) => Promise<Action>,
  required: readonly string[],
): Promise<readonly string[]> {
  const recovered: string[] = [];
  for (let killAt = 1; ; killAt++) {
    const action = await actionOf(killAt);
    const outcome = await runChild({ configFile: temp.configFile, action, killAt });
    const done = await recoverTwice(temp, others);
    if (outcome) {
      expect(outcome.error).toBeUndefined();
      expect(outcome.instants).toEqual(expect.arrayContaining([...required]));
      return recovered;
    }
    recovered.push(done.join());
  }
}

describe("invariant 1: no disk without a key, no key without a disk", () => {
  test("a delete killed at any instant is finished", { timeout: 120_000 }, async () => {
    const prepared = await prepare();
    const { temp } = prepared;
    let id = "";
    const recovered = await sweep(prepared, async () => {
      await using host = await temp.read();
      if (id !== "") expect(host.inventory?.instance(id), "the delete killed before went on").toBeUndefined();
      id = await addInstance(prepared, 4);
      return { kind: "delete", id };
    }, ["journal: begin", "unlink", "rmdir", "secret deleted", "journal: done"]);
    // Its last journal entry was durable in the last one.
    expect(new Set(recovered.slice(0, -1))).toEqual(new Set(["finished"]));
    expect(recovered.at(-1)).toBe("");
  });

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
  ] as const)(
    "a $format snapshot killed at any instant is taken back",
    { timeout: 120_000 },
    async (kind) => {
      const prepared = await prepare();
      const { temp, others } = prepared;
      const id = await addInstance(prepared);
      const recovered = await sweep(
        prepared,
        async (round) => {
          const request = { ...kind, disk: "disk", target: join(others.snapshots, `copy-${round}`) };
          return { kind: "snapshot", id, request };
        },
        ["journal: begin", "journal: image", "link", "unlink", "journal: done"],
      );
      expect(new Set(recovered.slice(0, -1))).toEqual(new Set(["undone"]));
    },
  );

  test("a snapshot's delete killed at any instant is finished", { timeout: 120_000 }, async () => {
    const prepared = await prepare();
    const { temp, others } = prepared;
    const instance = await addInstance(prepared);
    const recovered = await sweep(
      prepared,
      async (round) => {
        const target = join(others.snapshots, `copy-${round}`);
        const request = { disk: "disk", format: "raw", plain: false, target } as const;
        const action = { kind: "snapshot", id: instance, request } as const;
        const made = await runChild({ configFile: temp.configFile, action });
        return { kind: "delete", id: String(made?.result) };
      },
      ["journal: begin", "unlink", "secret deleted", "journal: done"],
    );
    expect(new Set(recovered.slice(0, -1))).toEqual(new Set(["finished"]));
  });

  test("a resize killed at any instant has either size, and the inventory knows which", async () => {
    const prepared = await prepare();
    const id = await addInstance(prepared);
    // Each recovery verifies the disk against the inventory's size.
    await sweep(
      prepared,
      async (round) => ({ kind: "resize", id, disk: "disk", bytes: 2 * MIB + round * 512 }),
      ["journal: begin", "journal: done"],
    );
  });

  test("a tool that outlives its killed agent leaves no file behind", async () => {
    const prepared = await prepare();
    const { temp, others } = prepared;
    const id = await addInstance(prepared);
    const marks = join(temp.root, "marks");
    // Slow to start, so that it opens its output long after the agent died and another recovered.
    const path = fakeTool(
      "qemu-img",
      `touch ${marks}.started; while [ ! -e ${marks}.go ]; do sleep 0.05; done; PATH="$REAL" qemu-img "$@"; touch ${marks}.ended`,
    );
    const target = join(others.snapshots, "copy");
    const request = { disk: "disk", format: "qcow2", plain: true, target } as const;
    const action = { kind: "snapshot", id, request } as const;
    const child = startChild({ configFile: temp.configFile, action }, { env: { PATH: path } });
    while (!existsSync(`${marks}.started`)) await sleep(20);
    child.process.kill("SIGKILL");
    await once(child.process, "exit");
    await recoverTwice(temp, others);
    writeFileSync(`${marks}.go`, "");
    while (!existsSync(`${marks}.ended`)) await sleep(20);
    expect(readdirSync(others.snapshots)).toEqual([]);
    expect(await child.outcome).toBeUndefined();
    await recoverTwice(temp, others);
  });
});
