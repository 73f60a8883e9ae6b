import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { compare, compareWithLimit } from "../harness/comparison.ts";
import { type CommandCost, measureCommand } from "../harness/command.ts";
import { requireBelow } from "../harness/requirement.ts";
import { figures, interleave, type Subject } from "../harness/rounds.ts";
import { WarmCreator } from "../ours/warm-creator.ts";
import type { Work, WorkContext, WorkResult } from "../work.ts";

const COMMAND = fileURLToPath(new URL("../../../apps/agent/bin/luksmith.js", import.meta.url));
const DISK_BYTES = 1024 ** 3;
const LIMIT_MS = 200;

const OURS = "luksmith list";
const FLOOR = "node without a program";

/** A new process that lists the instances of a host. */
export const list: Work = {
  name: "list",
  about: "`luksmith list` of 50 instances, from a cold process",
  run: runList,
};

async function runList(ctx: WorkContext): Promise<WorkResult> {
  if (!existsSync(COMMAND)) throw new Error(`${COMMAND} is not there; it is part of apps/agent`);
  const instances = ctx.quick ? 5 : 50;
  const configFile = await makeInstances(join(ctx.directory, "host"), instances);
  const subjects: Subject<CommandCost>[] = [
    {
      name: OURS,
      measure: async () => {
        const cost = await node([COMMAND, "--config-file", configFile, "--json", "list"]);
        requireInstances(cost.stdout, instances);
        return cost;
      },
    },
    { name: FLOOR, measure: () => node(["--eval", "0"]) },
  ];
  const samples = await interleave(subjects, ctx.rounds(20), (text) => ctx.progress(`list, ${text}`));
  const wall = (name: string) => figures(samples, name, ({ wallMs }) => wallMs);
  const row = { work: "list", unit: "ms", better: "lower", ours: wall(OURS) } as const;
  const limited = compareWithLimit({ ...row, peer: `a median < ${LIMIT_MS} ms`, limit: LIMIT_MS });
  return {
    rows: [limited, compare({ ...row, peer: FLOOR, theirs: wall(FLOOR) })],
    verdicts: [
      requireBelow(
        limited.ours.median,
        LIMIT_MS,
        "ms",
        `list of ${instances} instances takes less than ${LIMIT_MS} ms from a cold process`,
      ),
    ],
  };
}

/** The host is closed again when this resolves: `list` meets a quiet state directory. */
async function makeInstances(root: string, count: number): Promise<string> {
  await using creator = await WarmCreator.start(root, DISK_BYTES, 0);
  for (let i = 0; i < count; i++) await creator.createInstance();
  return creator.configFile;
}

function node(args: readonly string[]): Promise<CommandCost> {
  return measureCommand({ file: process.execPath, args });
}

function requireInstances(stdout: string, count: number): void {
  const listed: unknown = JSON.parse(stdout);
  const instances = Array.isArray(listed) ? listed : Object.values(listed ?? {}).find(Array.isArray);
  if (instances?.length !== count)
    throw new Error(`list did not show ${count} instances: ${stdout.slice(0, 200)}`);
}
