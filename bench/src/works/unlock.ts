import { writeFileSync } from "node:fs";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { compare } from "../harness/comparison.ts";
import type { CommandCost } from "../harness/command.ts";
import { requireRatio } from "../harness/requirement.ts";
import { figures, interleave, type Subject } from "../harness/rounds.ts";
import { median } from "../harness/statistics.ts";
import { testPassphrase, luksFormat } from "../peers/cryptsetup.ts";
import { QemuImg, readLuksSector, readRawSector } from "../peers/qemu.ts";
import type { Work, WorkContext, WorkResult } from "../work.ts";
import { makeContainer } from "../ours/our-container.ts";

const VIRTUAL_SIZE = 64 * 1024 * 1024;

const FLOOR = "qemu-io of a plain file";
const QEMU = "qemu-io of a header by qemu-img create -f luks (default)";
const QEMU_OURS = "qemu-io of our header";
const CRYPTSETUP = "cryptsetup of a header by cryptsetup luksFormat (default)";
const CRYPTSETUP_OURS = "cryptsetup of our header";

/** What QEMU pays to open a disk, at every start of a guest: our header against a default one. */
export const unlock: Work = {
  name: "unlock",
  about: "QEMU and cryptsetup open our header and one with default iterations",
  run: runUnlock,
};

async function runUnlock(ctx: WorkContext): Promise<WorkResult> {
  const rounds = ctx.rounds(15);
  const slow = Math.min(rounds, ctx.quick ? 1 : 9);
  const ours = join(ctx.directory, "ours.img");
  const theirs = { qemu: join(ctx.directory, "qemu.img"), cryptsetup: join(ctx.directory, "cryptsetup.img") };
  const plain = join(ctx.directory, "plain.img");
  writeFileSync(plain, Buffer.alloc(1024 * 1024, 1));
  using container = await makeContainer(ours, VIRTUAL_SIZE, randomUUID());
  const { secret } = container;
  const qemu = new QemuImg();
  ctx.progress("unlock, making the headers");
  await qemu.createLuks(theirs.qemu, VIRTUAL_SIZE, secret);
  await luksFormat(theirs.cryptsetup, VIRTUAL_SIZE, secret, []);
  const subjects: Subject<CommandCost>[] = [
    { name: FLOOR, measure: () => readRawSector(plain) },
    { name: QEMU_OURS, measure: () => readLuksSector(ours, secret) },
    { name: QEMU, rounds: slow, measure: () => readLuksSector(theirs.qemu, secret) },
    { name: CRYPTSETUP_OURS, measure: () => testPassphrase(ours, secret) },
    { name: CRYPTSETUP, rounds: slow, measure: () => testPassphrase(theirs.cryptsetup, secret) },
  ];
  const samples = await interleave(subjects, rounds, (text) => ctx.progress(`unlock, ${text}`));
  const cpu = (name: string) => figures(samples, name, ({ cpuMs }) => cpuMs);
  const wall = (name: string) => figures(samples, name, ({ wallMs }) => wallMs);
  const row = { work: "unlock", better: "lower" } as const;
  const qemuCpu = compare({ ...row, peer: QEMU, unit: "ms CPU", ours: cpu(QEMU_OURS), theirs: cpu(QEMU) });
  // Differences of single runs are mostly noise, so the floor is one number: its median.
  const floor = median([...cpu(FLOOR).values()]);
  const above = (name: string) =>
    new Map([...cpu(name)].map(([round, ms]) => [round, Math.max(ms - floor, 0.5)]));
  return {
    rows: [
      qemuCpu,
      { ...compare({ ...row, peer: QEMU, unit: "ms", ours: wall(QEMU_OURS), theirs: wall(QEMU) }) },
      compare({
        ...row,
        peer: `${QEMU}, less ${FLOOR}`,
        unit: "ms CPU",
        ours: above(QEMU_OURS),
        theirs: above(QEMU),
      }),
      compare({
        ...row,
        peer: CRYPTSETUP,
        unit: "ms CPU",
        ours: cpu(CRYPTSETUP_OURS),
        theirs: cpu(CRYPTSETUP),
      }),
    ],
    verdicts: [
      requireRatio(
        qemuCpu,
        100,
        "QEMU opens our header with at most a 100th of the CPU time of a default one",
      ),
    ],
    notes: [`${FLOOR}, median: ${floor.toFixed(1)} ms CPU.`, qemu.note],
  };
}
