import { randomUUID } from "node:crypto";
import { fsyncSync, openSync, closeSync, rmSync } from "node:fs";
import { join } from "node:path";
import { LuksEngine } from "@luksmith/luks";
import { compare } from "../harness/comparison.ts";
import { requireRatio } from "../harness/requirement.ts";
import { figures, interleave, type Subject } from "../harness/rounds.ts";
import type { Cost } from "../harness/cost.ts";
import { copyWithEngine } from "../ours/copy-with-engine.ts";
import { copyAndSync, copyWithCp } from "../peers/copy-floor.ts";
import { convertToLuks } from "../peers/qemu.ts";
import type { Work, WorkContext, WorkResult } from "../work.ts";
import { makeContainer, type OurContainer } from "../ours/our-container.ts";
import { makeSource } from "../ours/random-source.ts";

const MIB = 1024 * 1024;

const OURS = "LuksEngine.copy";
const DEFAULT = "qemu-img convert -n to luks (default)";
const TUNED = "qemu-img convert -n to luks (-t none -W -m 8)";
const CP = "cp and sync, without encryption";
const NODE = "a copy in Node, without encryption";

/** 1 GiB of raw image into an encrypted disk on the same file system. */
export const fill: Work = {
  name: "fill",
  about: "1 GiB of raw image into an encrypted disk",
  run: runFill,
};

async function runFill(ctx: WorkContext): Promise<WorkResult> {
  const bytes = (ctx.quick ? 128 : 1024) * MIB;
  const source = makeSource(join(ctx.directory, "source.raw"), bytes);
  await using engine = new LuksEngine({ threads: 1 });
  const target = join(ctx.directory, "target.img");
  const intoContainer = (name: string, copy: (container: OurContainer) => Promise<Cost>): Subject<Cost> => ({
    name,
    measure: async () => {
      using container = await makeContainer(target, bytes, randomUUID());
      const cost = await copy(container);
      settle(target);
      return cost;
    },
  });
  const intoFile = (name: string, copy: () => Promise<Cost>): Subject<Cost> => ({
    name,
    measure: async () => {
      const cost = await copy();
      settle(target);
      return cost;
    },
  });
  const subjects = [
    intoContainer(OURS, (container) => copyWithEngine(engine, source, container, bytes)),
    intoContainer(DEFAULT, ({ secret }) => convertToLuks(source, target, secret, [])),
    intoContainer(TUNED, ({ secret }) =>
      convertToLuks(source, target, secret, ["-t", "none", "-W", "-m", "8"]),
    ),
    intoFile(CP, () => copyWithCp(source, target)),
    intoFile(NODE, () => copyAndSync(source, target)),
  ];
  const samples = await interleave(subjects, ctx.rounds(7), (text) => ctx.progress(`fill, ${text}`));
  const megabytes = bytes / 1e6;
  const wall = (name: string) => figures(samples, name, ({ wallMs }) => (megabytes * 1000) / wallMs);
  const cpu = (name: string) => figures(samples, name, ({ cpuMs }) => (megabytes * 1000) / cpuMs);
  const row = { work: "fill", better: "higher" } as const;
  const rows = [DEFAULT, TUNED, CP, NODE].map((peer) => ({
    wall: compare({ ...row, peer, unit: "MB/s", ours: wall(OURS), theirs: wall(peer) }),
    cpu: compare({ ...row, peer, unit: "MB/CPU-s", ours: cpu(OURS), theirs: cpu(peer) }),
  }));
  const [byDefault, tuned] = rows;
  if (byDefault === undefined || tuned === undefined) throw new Error("the peers were not measured");
  return {
    rows: [...rows.map((each) => each.wall), ...rows.map((each) => each.cpu)],
    verdicts: [
      requireRatio(
        byDefault.cpu,
        1.7,
        `fill moves at least 1.7 times the bytes per CPU second of ${DEFAULT}`,
      ),
      requireRatio(tuned.wall, 1, `fill is not slower than ${TUNED}`),
    ],
    notes: [
      "Ours and the tuned qemu-img have the data on the disk when they end; the default qemu-img does not sync (-t unsafe).",
    ],
  };
}

/** Has everything written back and frees the space, so that the next subject finds what this one found. */
function settle(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  rmSync(path);
}
