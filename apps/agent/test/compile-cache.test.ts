import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const PROGRAM = join(import.meta.dirname, "../bin/luksmith.js");

// Node's own choice is a folder in /tmp with a name that everybody knows: who makes it first could exchange what root runs.
test("nothing that is compiled is kept where others could exchange it", async () => {
  const shared = await mkdtemp(join(tmpdir(), "luksmith-shared-"));
  try {
    const env = { PATH: process.env["PATH"], TMPDIR: shared };
    const { stdout } = await promisify(execFile)(process.execPath, [PROGRAM, "--version"], { env });
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect(await readdir(shared)).toEqual([]);
  } finally {
    await rm(shared, { recursive: true, force: true });
  }
});
