import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

/** A directory of the running test's own, gone when the test ends. */
export function tempDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), "luksmith-testing-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
