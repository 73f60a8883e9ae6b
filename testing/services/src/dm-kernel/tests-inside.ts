import { randomUUID } from "node:crypto";
import { readFile, rm } from "node:fs/promises";
import { join, relative } from "node:path";
import { describe, expect, test } from "vitest";
import type { DmKernel } from "./dm-kernel.ts";
import { startDmKernel } from "./start-dm-kernel.ts";
import { sharedDmKernel } from "../shared/shared-dm-kernel.ts";

/** One test, as vitest's JSON reporter has it. */
interface ReportedTest {
  readonly fullName: string;
  readonly ancestorTitles: readonly string[];
  readonly title: string;
  readonly status: "passed" | "failed" | "pending" | "skipped" | "todo";
  readonly failureMessages: readonly string[];
}

interface ReportedFile {
  readonly name: string;
  readonly status: string;
  readonly message: string;
  readonly assertionResults: readonly ReportedTest[];
}

export interface InsideOptions {
  /** More for vgcreate. */
  readonly vgcreate?: readonly string[];
  /** Boots one for these tests, in place of the run's: it has one processor, and the host may have more. */
  readonly ownKernel?: boolean;
}

const AGAIN_TIMEOUT_MS = 180_000;

/**
 * Runs tests (`*.inside.ts`) in the run's device-mapper kernel, and reports each as a test of this file, with its name.
 * They find a volume group of their own in `process.env.LUKSMITH_TEST_VG`. To be awaited at the top of a test file: the names
 * are known when they have run. A retry of one that failed runs that one again.
 * @param where a file or directory, absolute
 */
export async function testsInside(where: string, options: InsideOptions = {}): Promise<void> {
  const { vgcreate = [], ownKernel = false } = options;
  await using own = ownKernel ? await startDmKernel() : undefined;
  const files = await runInside(own ?? (await sharedDmKernel()), where, vgcreate);
  for (const file of files) {
    describe(`${relative(where, file.name)} in the kernel`, () => {
      if (file.assertionResults.length === 0) {
        test("runs", () => expect.unreachable(file.message || "there are no tests in it"));
      }
      for (const each of file.assertionResults) report(each, where, vgcreate);
    });
  }
}

function report(first: ReportedTest, where: string, vgcreate: readonly string[]): void {
  test(
    `${first.ancestorTitles.join(" > ")}: ${first.title}`,
    { timeout: AGAIN_TIMEOUT_MS },
    async ({ skip, task }) => {
      let seen = first;
      if ((task.result?.retryCount ?? 0) > 0) {
        const files = await runInside(await sharedDmKernel(), where, vgcreate, first.fullName);
        const found = files.flatMap((file) => file.assertionResults);
        seen = found.find(({ fullName }) => fullName === first.fullName) ?? first;
      }
      if (!["passed", "failed"].includes(seen.status)) skip("skipped inside");
      expect(seen.failureMessages.join("\n")).toBe("");
      expect(seen.status).toBe("passed");
    },
  );
}

async function runInside(
  kernel: DmKernel,
  where: string,
  vgcreate: readonly string[],
  only?: string,
): Promise<readonly ReportedFile[]> {
  await using group = await kernel.volumeGroup(vgcreate);
  const { workspace } = kernel.info;
  const output = join(kernel.sharedDirectory, `${randomUUID()}.json`);
  const vitest = join(workspace, "node_modules/vitest/vitest.mjs");
  const config = join(import.meta.dirname, "inside.config.ts");
  const reporting = ["--reporter=json", `--outputFile=${output}`, "--configLoader=native", "--no-cache"];
  const filter = only === undefined ? [] : [`--testNamePattern=^${escapeRegExp(only)}$`];
  const result = await kernel.run(
    [process.execPath, vitest, "run", `--config=${config}`, ...reporting, ...filter, where],
    {
      cwd: workspace,
      env: {
        LUKSMITH_TEST_VG: group.name,
        PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
        ...passedOn(),
        CI: "1",
        NODE_COMPILE_CACHE: "/tmp/node-compile-cache",
        NO_COLOR: "1",
      },
    },
  );
  const said = `${result.stdout.toString()}${result.stderr.toString()}`;
  const json = await readFile(output, "utf8").catch(() => {
    throw new Error(`vitest in the device-mapper kernel exited with ${result.exitCode}:\n${said}`);
  });
  await rm(output);
  const { testResults } = JSON.parse(json) as { testResults: readonly ReportedFile[] };
  if (testResults.length === 0) throw new Error(`no tests in ${where}:\n${said}`);
  return testResults;
}

/** What says how much a sweep does. A command takes a second here: of a backend's commands each goes wrong in one way. */
function passedOn(): Readonly<Record<string, string>> {
  const names = ["LUKSMITH_FAULTS", "LUKSMITH_INSTANTS", "LUKSMITH_KILLS", "LUKSMITH_LIVES", "LUKSMITH_SEED"];
  const given = names.flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return { LUKSMITH_FAULTS: "few", ...Object.fromEntries(given) };
}

function escapeRegExp(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
