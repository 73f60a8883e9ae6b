import fs from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { writeSync } from "node:fs";
import { createInstance, errorToJson, loadConfig, parseRequest, WritableHost } from "@luksmith/core/host";
import { importWorkspace, testContext } from "../workspace.ts";
import type { CacheOutcome, CacheScenario } from "./cache-scenario.ts";
import { Instants } from "./instants.ts";

/**
 * Creates in a process of its own, which kills itself at an instant of the cache's work or of an overlay's: the lock is
 * held, the part exists, a conversion runs, before and after the base gets its name; names, journal, secrets.
 */
const scenario = JSON.parse(process.argv[2] ?? "{}") as CacheScenario;
const instants = new Instants(scenario.killAt);

/** The beginning, and the first bytes, of each step that shows progress. */
const steps = new Map<string, number>();
const ctx = testContext({
  progress: ({ step }) => {
    const times = (steps.get(step) ?? 0) + 1;
    steps.set(step, times);
    if (times <= 2) instants.pass(step.replace(/image .*/, "image"));
  },
});

type Call = (...args: never[]) => Promise<unknown>;

/** Names the instants that `Instants` does not know. */
function watch(
  name: "open" | "link" | "readdir",
  when: "before" | "after",
  nameOf: (path: string) => string,
): void {
  const original = fs[name] as unknown as Call;
  const watched: Call = async (...args) => {
    const instant = nameOf(String(args[0]));
    if (instant !== "" && when === "before") instants.pass(instant);
    const result = await original.apply(fs, args);
    if (instant !== "" && when === "after") instants.pass(instant);
    return result;
  };
  Object.assign(fs, { [name]: watched });
}

async function run(): Promise<CacheOutcome> {
  await instants.watchFiles();
  watch("open", "after", (path) => (path.endsWith(".part") ? "part created" : ""));
  watch("link", "before", (path) => (path.endsWith(".part") ? "before link" : ""));
  // Looking for left parts is the first thing under the lock.
  watch("readdir", "after", (path) => (path.endsWith("/_base") ? "lock taken" : ""));
  syncBuiltinESMExports();
  const options = {
    importModule: instants.watchKeys(importWorkspace),
    command: "a child of a test",
    onJournal: ({ event }: { event: string }) => instants.pass(`journal: ${event}`),
  };
  await using host = await WritableHost.write(
    await loadConfig({ files: [scenario.configFile] }),
    options,
    ctx,
  );
  const creates = scenario.requests.map(async (json) => createInstance(host, await parseRequest(json), ctx));
  const settled = await Promise.allSettled(creates);
  const errors = settled.flatMap((each) => (each.status === "rejected" ? [describe(each.reason)] : []));
  return { made: settled.length - errors.length, errors, instants: instants.passed };
}

function describe(error: unknown): string {
  const { code, message } = errorToJson(error) as Record<string, string>;
  return `${code}: ${message}`;
}

writeSync(1, `${JSON.stringify(await run())}\n`);
