import { linkSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import {
  createInstance,
  deleteById,
  findDiscrepancies,
  type InstanceRecord,
  verifyAuditLog,
} from "@luksmith/core/host";
import { expect, test } from "vitest";
import { runChild } from "../child/run-child.ts";
import type { Outcome } from "../child/scenario.ts";
import { addBystanders } from "../host-state.ts";
import { recoverTwice } from "../recover-twice.ts";
import { type TempHost, tempHost } from "../temp-host.ts";
import { testContext } from "../workspace.ts";
import { puttingBack } from "./local-secrets.ts";

const NOW = { graceSeconds: 0 };
const KINDS = ["directory-empty", "disk-remnant", "secret-orphan"];

/** A secret of somebody else's, among the bystanders. */
const NOT_OURS = ["secret-unrecorded"];

/** One leftover of each kind that files and the local key manager can have. */
async function plant(temp: TempHost, image: string): Promise<void> {
  await using host = await temp.write();
  const made: InstanceRecord[] = [];
  for (let i = 0; i < KINDS.length; i++) {
    made.push(await createInstance(host, await temp.request(image), testContext()));
  }
  const [empty, remnant, orphan] = made.map(({ uuid, disks }) => {
    return { uuid, path: disks[0]?.path ?? "", secret: disks[0]?.encryption?.secretId ?? "" };
  });
  if (!empty || !remnant || !orphan) throw new Error("too few instances");
  const linked = join(temp.root, "linked");
  linkSync(remnant.path, linked);
  await puttingBack(temp, [orphan.secret], async () => {
    for (const { uuid } of made) await deleteById(host, uuid, { forgetMissing: false }, testContext());
  });
  for (const { path } of [empty, remnant]) mkdirSync(dirname(path));
  renameSync(linked, remnant.path);
}

async function found(temp: TempHost): Promise<readonly string[]> {
  await using host = await temp.read();
  const { discrepancies, troubles } = await findDiscrepancies(host, NOW, testContext());
  expect(troubles).toEqual([]);
  expect((await verifyAuditLog(host)).ok).toBe(true);
  return discrepancies.map(({ kind }) => kind).toSorted();
}

test(
  "gc --apply killed at any instant, its recovery killed too: what was begun is ended, the rest is found again",
  { timeout: 300_000 },
  async () => {
    const temp = tempHost();
    const image = temp.addImage(1 << 20);
    const others = await addBystanders(temp, image);
    const { configFile } = temp;
    const before = readdirSync(temp.instancesPath).toSorted();
    let outcome: Outcome | undefined;
    for (let killAt = 1; ; killAt++) {
      await plant(temp, image);
      expect(await found(temp)).toEqual([...KINDS, ...NOT_OURS]);
      outcome = await runChild({ configFile, action: { kind: "gc" }, killAt });
      if (outcome) break;
      // A process that opens the host begins to recover it, and is killed as well.
      if (killAt % 2 === 1) await runChild({ configFile, action: { kind: "open" }, killAt: 1 });
      // What was not begun is found again.
      const rest = await runChild({ configFile, action: { kind: "gc" } });
      const done = rest?.result as readonly string[];
      expect(done.filter((each) => !each.endsWith(" done"))).toEqual(["secret-unrecorded left"]);
      await recoverTwice(temp, others);
      expect(await found(temp)).toEqual(NOT_OURS);
      expect(readdirSync(temp.instancesPath).toSorted()).toEqual(before);
    }
    expect(outcome.error).toBeUndefined();
    const seen = ["journal: begin", "journal: erased", "unlink", "rmdir", "secret deleted", "journal: done"];
    expect(outcome.instants).toEqual(expect.arrayContaining(seen));
    expect(outcome.instants.filter((name) => name === "journal: done")).toHaveLength(3);
    await recoverTwice(temp, others);
    expect(await found(temp)).toEqual(NOT_OURS);
  },
);

/** What is left of one disk that was deleted. @returns where it is, and what it was before */
async function plantRemnant(temp: TempHost): Promise<{ readonly path: string; readonly before: Buffer }> {
  const image = temp.addImage(1 << 20);
  await using host = await temp.write();
  const made = await createInstance(host, await temp.request(image), testContext());
  await createInstance(host, await temp.request(image), testContext());
  const path = made.disks[0]?.path ?? "";
  const before = readFileSync(path);
  const linked = join(temp.root, "linked");
  linkSync(path, linked);
  await deleteById(host, made.uuid, { forgetMissing: false }, testContext());
  mkdirSync(dirname(path));
  renameSync(linked, path);
  return { path, before };
}

test("a disk that somebody restores between a killed gc and its recovery is let be", async () => {
  const whole = tempHost();
  await plantRemnant(whole);
  const outcome = await runChild({ configFile: whole.configFile, action: { kind: "gc" } });
  const begun = outcome?.instants.indexOf("journal: begin") ?? -1;
  expect(begun).toBeGreaterThan(-1);

  const temp = tempHost();
  const { configFile } = temp;
  const { path, before } = await plantRemnant(temp);
  // It has begun, and has changed nothing.
  expect(await runChild({ configFile, action: { kind: "gc" }, killAt: begun + 2 })).toBeUndefined();
  {
    await using host = await temp.read();
    expect(host.inventory?.unfinished().map(({ kind }) => kind)).toEqual(["gc"]);
  }
  writeFileSync(path, before);
  await runChild({ configFile, action: { kind: "open" } });
  expect(readFileSync(path).equals(before)).toBe(true);
  expect(await found(temp)).toEqual(["disk-returned"]);
  await using host = await temp.read();
  expect(host.inventory?.unfinished()).toEqual([]);
});
