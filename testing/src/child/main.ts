import { readFileSync, writeSync } from "node:fs";
import { givenToken, Passphrase } from "@luksmith/core";
import {
  adoptGuest,
  confirmMove,
  createInstance,
  deleteById,
  errorToJson,
  evacuateGuest,
  findInstance,
  flattenDisk,
  loadConfig,
  parseMove,
  parseRequest,
  rebaseDisk,
  rebuildInstance,
  rebootGuest,
  rescueGuest,
  rekeyDisks,
  resizeDisk,
  resumeGuests,
  shelveGuest,
  snapshotDisk,
  spawnGuest,
  startGuest,
  stopGuest,
  unrescueGuest,
  unshelveGuest,
  verifyDisks,
  WritableHost,
} from "@luksmith/core/host";
import { importWorkspace, testContext, type TestContext } from "../workspace.ts";
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

/** The first bytes, and some more, of each fill. */
const steps = new Map<string, number>();
function progress(step: string): void {
  const times = (steps.get(step) ?? 0) + 1;
  steps.set(step, times);
  if (times <= 2) instants.pass(step);
}

async function act(host: WritableHost, action: Action, on: TestContext): Promise<unknown> {
  switch (action.kind) {
    case "create":
      return (await createInstance(host, await parseRequest(action.request), on)).uuid;
    case "delete":
      return await deleteById(host, action.id, { forgetMissing: false }, on);
    case "resize": {
      const instance = await findInstance(host, action.id);
      return (await resizeDisk(host, instance, action.disk, BigInt(action.bytes), on)).uuid;
    }
    case "snapshot":
      return (await snapshotDisk(host, await findInstance(host, action.id), action.request, on)).uuid;
    case "flatten":
      return (await flattenDisk(host, await findInstance(host, action.id), action.disk, on)).uuid;
    case "rebase":
      return (await rebaseDisk(host, await findInstance(host, action.id), action.request, on)).uuid;
    case "rekey": {
      const rekeyed = await rekeyDisks(host, await findInstance(host, action.id), action.disk, on);
      return rekeyed.map(({ encryption }) => encryption?.secretId);
    }
    case "spawn": {
      const { template, start } = action;
      const request = await parseRequest(action.request);
      return (await spawnGuest(host, request, { template, start }, on)).guest;
    }
    case "start":
      return await startGuest(host, action.id, on);
    case "stop":
      return await stopGuest(host, action.id, action, on);
    case "hard-reboot":
      return await rebootGuest(host, action.id, { hard: true }, on);
    case "rescue": {
      const { image: id } = action;
      const options = { image: { id, declared: { id, disk_format: "raw" } }, timeoutMs: 0 };
      return (await rescueGuest(host, action.id, options, on)).rescued;
    }
    case "unrescue":
      return (await unrescueGuest(host, action.id, on)).rescued;
    case "rebuild":
      return (await rebuildInstance(host, await parseRequest(action.request), { timeoutMs: 0 }, on)).uuid;
    case "shelve":
      return (await shelveGuest(host, action.id, { directory: action.directory, timeoutMs: 0 }, on)).path;
    case "unshelve": {
      const options = { directory: action.directory, start: true };
      return (await unshelveGuest(host, await parseMove(action.document), options, on)).guest;
    }
    case "evacuate": {
      const recreate = action.recreate && (await parseRequest(action.recreate));
      const options = { start: true, ...(recreate ? { recreate } : {}) };
      return (await evacuateGuest(host, await parseMove(action.document), options, on)).guest;
    }
    case "adopt":
      return (await adoptGuest(host, await parseMove(action.document), { start: true }, on)).guest;
    case "confirm":
      return await confirmMove(host, action.id, on);
    case "resume":
      return await resumeGuests(host, on);
    case "verify":
      return await verifyDisks(host, action.id, on);
    case "open":
      return host.recovery;
  }
}

async function run(): Promise<Outcome> {
  await instants.watchFiles();
  if (IN_PLACE.has(scenario.action.kind)) await instants.watchSyncs();
  const config = await loadConfig({ files: [scenario.configFile] });
  const options = {
    importModule: instants.watchGuests(instants.watchKeys(importWorkspace)),
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
