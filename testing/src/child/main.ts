import { readFileSync, writeSync } from "node:fs";
import { givenToken, Passphrase } from "@luksmith/core";
import { errorToJson, loadConfig, WritableHost } from "@luksmith/core/host";
import { importWorkspace, testContext } from "../workspace.ts";
import { act } from "./act.ts";
import { Instants } from "./instants.ts";
import { type Action, type Outcome, READY, type Scenario } from "./scenario.ts";

/** One operation on a host in a process of its own, so that it can be killed, watched or starved. */
const scenario = JSON.parse(process.argv[2] ?? "{}") as Scenario;
const instants = new Instants(scenario.killAt);
const { tokenFile } = scenario;
const userToken =
  tokenFile === undefined ? {} : { userToken: givenToken(Passphrase.take(readFileSync(tokenFile))) };
const ctx = testContext({ progress: ({ step }) => progress(step), ...userToken });

/** What makes no names: its moments are those after which bytes are durable. */
const IN_PLACE = new Set<Action["kind"]>(["flatten", "rebase", "rekey"]);

/**
 * The first bytes, and some more, of each fill. How often a hypervisor's copying is looked at depends on the machine, and an
 * instant that is there in one run and not in the next makes the sweep end twice.
 */
const steps = new Map<string, number>();
function progress(step: string): void {
  const times = (steps.get(step) ?? 0) + 1;
  steps.set(step, times);
  if (times <= (step.startsWith("copy vd") ? 1 : 2)) instants.pass(step);
}

async function run(): Promise<Outcome> {
  await instants.watchFiles();
  if (IN_PLACE.has(scenario.action.kind)) await instants.watchSyncs();
  const config = await loadConfig({ files: [scenario.configFile] });
  const options = {
    importModule: instants.watchRbd(instants.watchGuests(instants.watchKeys(importWorkspace))),
    command: "a child of a test",
    onJournal: ({ event }: { event: string }) => instants.pass(`journal: ${event}`),
  };
  try {
    await using host = await WritableHost.write(config, options, ctx);
    await host.services();
    writeSync(1, `${READY}\n`);
    const result = await act(host, scenario.action, ctx);
    if (scenario.hold) await new Promise((resolve) => setTimeout(resolve, 3_600_000));
    return { result, instants: instants.passed, logged: ctx.logged };
  } catch (error) {
    const { code, category, message } = errorToJson(error) as Record<string, string>;
    const shown = { code: code ?? "", category: category ?? "", message: message ?? "" };
    return { error: shown, instants: instants.passed, logged: [ctx.logged, errorToJson(error)] };
  }
}

writeSync(1, `${JSON.stringify(await run())}\n`);
