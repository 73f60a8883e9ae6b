import { mkdirSync, readFileSync, renameSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { createInstance } from "@luksmith/core/host";
import { startChild } from "./child/run-child.ts";
import type { Action, Outcome } from "./child/scenario.ts";
import { addBystanders, expectConsistent } from "./host-state.ts";
import { requireNamespaces, smallFilesystem } from "./small-filesystem.ts";
import { type TempHost, tempHost } from "./temp-host.ts";
import { filesBelow } from "./tree.ts";
import { testContext } from "./workspace.ts";

const MIB = 1024 * 1024;

interface Ran {
  readonly outcome: Outcome | undefined;
  /** Bytes in use on the small file system before and after. */
  readonly used: readonly string[];
  /** Names on it afterwards. */
  readonly names: readonly string[];
}

/** Runs an operation while `path` is a file system of `bytes`, and looks at that before and after. */
async function runOn(
  temp: TempHost,
  path: string,
  bytes: number,
  action: Action,
  before = ":",
): Promise<Ran> {
  const report = join(temp.root, "report");
  const look = `{ df --output=used '${path}' | tail -1; } >> ${report}`;
  const { through } = smallFilesystem(path, bytes, `${before}; ${look}`);
  // Not exec'd, so that the shell can look afterwards.
  const after = `"$@"; code=$?; ${look}; find '${path}' -mindepth 1 >> ${report}; exit $code`;
  const child = startChild(
    { configFile: temp.configFile, action },
    { through: [...through, "sh", "-c", after, "sh"] },
  );
  const outcome = await child.outcome;
  const [first = "", second = "", ...names] = readFileSync(report, "utf8").trim().split("\n");
  return { outcome, used: [first.trim(), second.trim()], names };
}

beforeAll(requireNamespaces);

describe("a full disk", () => {
  test.each([
    ["when the header is written", MIB],
    ["in the middle of the fill", 12 * MIB],
  ])("%s gives the space back and leaves nothing", async (_, limit) => {
    const temp = tempHost();
    const others = await addBystanders(temp, temp.addImage(MIB));
    const action = { kind: "create", request: temp.json(temp.addImage(16 * MIB)) } as const;
    // A limit that the check of free space beforehand cannot see.
    const through = ["prlimit", `--fsize=${limit}`];
    const outcome = await startChild({ configFile: temp.configFile, action }, { through }).outcome;
    expect(outcome?.error).toMatchObject({ code: "NoSpace", category: "unavailable" });
    expect(outcome?.instants).toContain("mkdir");
    await using host = await temp.write();
    expect(host.recovery.operations).toEqual([]);
    await expectConsistent(temp, host, others);
  });

  test("is seen before anything is made where the image cannot fit", async () => {
    const temp = tempHost();
    const image = temp.addImage(16 * MIB);
    const action = { kind: "create", request: temp.json(image) } as const;
    const ran = await runOn(temp, temp.instancesPath, 8 * MIB, action);
    expect(ran.outcome?.error).toMatchObject({ code: "NoSpace", category: "unavailable" });
    expect(ran.outcome?.instants).toEqual([]);
    expect(ran.names).toEqual([]);
  });

  test("when the second disk is made takes the first one back too", async () => {
    const temp = tempHost();
    const image = temp.addImage(MIB);
    const others = await addBystanders(temp, image);
    const action = { kind: "create", request: temp.json(image, { swap: 64 }) } as const;
    const through = ["prlimit", `--fsize=${8 * MIB}`];
    const outcome = await startChild({ configFile: temp.configFile, action }, { through }).outcome;
    expect(outcome?.error).toMatchObject({ code: "NoSpace" });
    expect(outcome?.instants).toContain("link");
    await using host = await temp.write();
    expect(host.recovery.operations).toEqual([]);
    await expectConsistent(temp, host, others);
  });

  test(
    "below the state directory, wherever it runs full, leaves no disk without a key and no key without a disk",
    { timeout: 120_000 },
    async () => {
      const reached = new Set<string>();
      const codes = new Set<string>();
      // From too little for an empty journal to enough for everything.
      for (let kib = 100; !reached.has("journal: done") && kib < 1000; kib += 16) {
        const outcome = await createOnSmallState(kib * 1024);
        reached.add(outcome?.instants.at(-1) ?? "nothing");
        codes.add(outcome?.error?.code ?? "done");
      }
      codes.delete("AuditLogUnwritable"); // which says that there is no space
      // Where taking it back ran full as well: what is left is recovery's, which was looked at each time.
      codes.delete("EphemeralEncryptionCleanupFailed");
      expect(codes).toEqual(new Set(["NoSpace", "done"]));
      expect(reached).toContain("nothing");
      expect(reached).toContain("journal: done");
      expect(reached.size, "it ran full in the middle, too").toBeGreaterThan(2);
    },
  );

  test.each([
    { format: "raw", plain: false },
    { format: "qcow2", plain: true },
    { format: "qcow2", plain: false },
  ] as const)("during a $format snapshot, plain: $plain, gives the space back", async (kind) => {
    const temp = tempHost();
    const image = temp.addImage(16 * MIB);
    const others = await addBystanders(temp, image);
    const request = { ...kind, disk: "disk", target: join(others.snapshots, "copy") };
    const action = { kind: "snapshot", id: others.instance, request } as const;
    const ran = await runOn(temp, others.snapshots, 6 * MIB, action);
    expect(ran.outcome?.error).toMatchObject({
      code: "NoSpace",
      category: "unavailable",
    });
    expect(ran.names).toEqual([]);
    expect(ran.used[1]).toBe(ran.used[0]);
    await using host = await temp.write();
    expect(host.recovery.operations).toEqual([]);
    await expectConsistent(temp, host, others);
  });
});

/** Creates two disks with a small file system as state directory, and checks what is left after a recovery. */
async function createOnSmallState(bytes: number): Promise<Outcome | undefined> {
  const temp = tempHost();
  const image = temp.addImage(MIB);
  mkdirSync(temp.statePath, { mode: 0o700 });
  // The state outlives the mount: it is copied out.
  const kept = join(temp.root, "kept");
  const action = { kind: "create", request: temp.json(image, { swap: 4 }) } as const;
  const { through } = smallFilesystem(temp.statePath, bytes, `chmod 0700 '${temp.statePath}'`);
  const after = `"$@"; code=$?; cp -a '${temp.statePath}' '${kept}'; exit $code`;
  const child = startChild(
    { configFile: temp.configFile, action },
    { through: [...through, "sh", "-c", after, "sh"] },
  );
  const outcome = await child.outcome;
  rmdirSync(temp.statePath);
  renameSync(kept, temp.statePath);
  await using host = await temp.write();
  const disks = host.inventory.instances().flatMap((instance) => instance.disks);
  expect(disks.length).toBe(outcome?.error ? 0 : 2);
  expect(filesBelow(temp.instancesPath).length).toBe(disks.length);
  const stored: string[] = [];
  for await (const { id } of (await host.services()).keys.list?.({}, testContext()) ?? []) stored.push(id);
  expect(stored.length).toBe(disks.length);
  if (outcome?.error) await createInstance(host, await temp.request(image, { swap: 4 }), testContext());
  return outcome;
}
