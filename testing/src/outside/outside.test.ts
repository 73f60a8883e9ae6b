import { execFileSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { OutsideWorkspace } from "./outside-workspace.ts";

/** Programs of others do the work, on a machine that does other things, too. */
const LIMIT = { timeout: 1_800_000 };
const BACKEND = "luksmith-backend-tape-store";
const KEY_MANAGER = "keymgr";
/** Mounts of its own, which end with it, however it ends. */
const APART = ["unshare", "--mount", "--propagation", "private"];

let outside: OutsideWorkspace;

beforeAll(async () => {
  outside = await OutsideWorkspace.make();
  await outside.addExample("backend-reflink");
  await outside.addExample("keymgr-vault");
  await outside.scaffold(BACKEND, "--kind", "backend");
  await outside.scaffold(
    KEY_MANAGER,
    "--kind",
    "key-manager",
    "--package",
    "@corp/glass",
    "--license",
    "MIT",
  );
  await outside.install();
}, LIMIT.timeout);
// Undefined if it could not be made.
afterAll(async () => await (outside as OutsideWorkspace | undefined)?.[Symbol.asyncDispose]());

function mountsHere(): boolean {
  try {
    execFileSync(APART[0] ?? "", [
      ...APART.slice(1),
      "sh",
      "-c",
      "test -e /dev/loop-control && grep -qw xfs /proc/filesystems",
    ]);
    return true;
  } catch {
    return false;
  }
}

describe("a scaffolded plugin", LIMIT, () => {
  test("passes its suite: a backend", async () => {
    const { passed, failed, skipped } = await outside.test(BACKEND);
    expect(failed).toEqual([]);
    expect(passed).toBeGreaterThan(35);
    // Overlays, which it does not declare.
    expect(skipped.filter((name) => !/IB-3[6-9]|base|stands/.test(name))).toEqual([]);
  });

  test("passes its suite: a key manager", async () => {
    const { passed, failed } = await outside.test(KEY_MANAGER);
    expect(failed).toEqual([]);
    expect(passed).toBeGreaterThan(18);
  });
});

describe("the examples", LIMIT, () => {
  const mounts = mountsHere();

  test("backend-reflink passes its suite, on XFS where one can be mounted", async () => {
    const required = mounts ? { REFLINK_TESTS: "required" } : {};
    const { passed, failed, skipped } = await outside.test("backend-reflink", required, mounts ? APART : []);
    expect(failed).toEqual([]);
    expect(passed).toBeGreaterThan(mounts ? 50 : 1);
    expect(mounts ? skipped.filter((name) => !/IB-3[6-9]|base|stands/.test(name)) : []).toEqual([]);
  });

  test("keymgr-vault passes its suite", async () => {
    const { passed, failed } = await outside.test("keymgr-vault");
    expect(failed).toEqual([]);
    expect(passed).toBeGreaterThan(80);
  });
});
