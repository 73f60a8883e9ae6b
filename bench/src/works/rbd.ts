import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { startCeph } from "@luksmith/testing-services";
import { type Better, compare, type Comparison } from "../harness/comparison.ts";
import { requireRatio } from "../harness/requirement.ts";
import { figures, interleave, REST_MS, type Subject } from "../harness/rounds.ts";
import { makeSource } from "../ours/random-source.ts";
import { RbdCreator } from "../ours/rbd-creator.ts";
import { RbdPeers } from "../peers/rbd.ts";
import type { Work, WorkContext, WorkResult } from "../work.ts";

const MIB = 1024 * 1024;
const VIRTUAL_SIZE = 10 * 1024 * MIB;
const CREATES = 100;

const OURS = "Image.create on Ceph";
const QEMU = "qemu-img create -f luks rbd: (default)";
const FORMAT = "rbd encryption format luks1";
const BARE = "rbd create";
const FILL = "Image.create on Ceph, from an image";
const CONVERT = "qemu-img convert -n to luks on rbd (default)";
const TUNED = "qemu-img convert -n to luks on rbd (-t none -W -m 16)";

/** Encrypted disks in a Ceph cluster of this machine, with its objects in memory. */
export const rbd: Work = {
  name: "rbd",
  about: "encrypted disks in a Ceph cluster that is started for it",
  onlyWhenNamed: true,
  run: runRbd,
};

type Take = (name: string, run: () => Promise<number>, rounds?: number) => Subject<number>;

const take: Take = (name, measure, rounds) => ({
  name,
  measure,
  ...(rounds === undefined ? {} : { rounds }),
});

async function runRbd(ctx: WorkContext): Promise<WorkResult> {
  await using ceph = await startCeph();
  await using creator = await RbdCreator.start(join(ctx.directory, "host"), ceph);
  const peers = new RbdPeers(ceph);
  const alone = await creates(ctx, creator, peers);
  const side = await createsTogether(ctx, creator, peers);
  const filled = await fills(ctx, creator, peers);
  const [qemu, format, bare] = alone;
  if (!qemu || !format || !bare) throw new Error("the peers were not measured");
  return {
    rows: [...alone, ...side, ...filled],
    verdicts: [
      requireRatio(qemu, 20, `create is at least 20 times faster than ${QEMU}`),
      requireRatio(format, 20, `create is at least 20 times faster than ${FORMAT}`),
      requireRatio(bare, 1 / 2.5, `create takes at most 2.5 times as long as ${BARE}`),
    ],
    notes: ["The cluster's monitor and OSD run on the same processors as what is measured."],
  };
}

async function creates(
  ctx: WorkContext,
  creator: RbdCreator,
  peers: RbdPeers,
): Promise<readonly Comparison[]> {
  const rounds = ctx.rounds(25);
  const slow = Math.min(rounds, ctx.quick ? 1 : 5);
  const secret = Buffer.from("0123456789abcdef".repeat(5));
  for (let i = 0; i < (ctx.quick ? 2 : 20); i++) await creator.create(BigInt(VIRTUAL_SIZE));
  const subjects = [
    take(OURS, async () => (await creator.create(BigInt(VIRTUAL_SIZE))).ms),
    take(QEMU, async () => (await peers.createLuks(randomUUID(), VIRTUAL_SIZE, secret)).wallMs, slow),
    take(
      FORMAT,
      async () => {
        const image = randomUUID();
        await peers.create(image, VIRTUAL_SIZE);
        return (await peers.encryptionFormat(image, secret)).wallMs;
      },
      slow,
    ),
    take(BARE, async () => (await peers.create(randomUUID(), VIRTUAL_SIZE)).wallMs),
  ];
  const samples = await interleave(subjects, rounds, (text) => ctx.progress(`rbd, ${text}`), REST_MS);
  return rowsOf(samples, { work: "create-rbd", unit: "ms", better: "lower" }, OURS, [QEMU, FORMAT, BARE]);
}

/** As disks a second, against as many bare images. */
async function createsTogether(
  ctx: WorkContext,
  creator: RbdCreator,
  peers: RbdPeers,
): Promise<readonly Comparison[]> {
  const rows: Comparison[] = [];
  for (const atATime of [1, 4, 16]) {
    const count = ctx.quick ? 8 : CREATES;
    const subjects = [
      take(OURS, () => together(count, atATime, () => creator.create(BigInt(VIRTUAL_SIZE)))),
      take(BARE, () => together(count, atATime, () => peers.create(randomUUID(), VIRTUAL_SIZE))),
    ];
    const samples = await interleave(
      subjects,
      ctx.rounds(3),
      (text) => ctx.progress(`rbd, ${text}`),
      REST_MS,
    );
    const row = { work: `creates-rbd-${count}-by-${atATime}`, unit: "1/s", better: "higher" } as const;
    rows.push(...rowsOf(samples, row, OURS, [BARE]));
  }
  return rows;
}

async function together(count: number, atATime: number, make: () => Promise<unknown>): Promise<number> {
  let left = count;
  const start = performance.now();
  const lane = async (): Promise<void> => {
    while (left-- > 0) await make();
  };
  await Promise.all(Array.from({ length: atATime }, lane));
  return (count * 1000) / (performance.now() - start);
}

async function fills(ctx: WorkContext, creator: RbdCreator, peers: RbdPeers): Promise<readonly Comparison[]> {
  const bytes = (ctx.quick ? 64 : 1024) * MIB;
  const source = makeSource(join(ctx.directory, "source.raw"), bytes);
  const rate = (ms: number): number => bytes / 1000 / ms;
  const convert = (options: readonly string[]) => async (): Promise<number> => {
    const { image, secret } = await creator.create(BigInt(bytes));
    const { wallMs } = await peers.convert(source, image, secret, options);
    await peers.remove(image);
    return rate(wallMs);
  };
  const subjects = [
    take(FILL, async () => {
      const { ms, image } = await creator.fill(source);
      await peers.remove(image);
      return rate(ms);
    }),
    take(CONVERT, convert([])),
    take(TUNED, convert(["-t", "none", "-W", "-m", "16"])),
  ];
  const samples = await interleave(subjects, ctx.rounds(5), (text) => ctx.progress(`rbd, ${text}`));
  return rowsOf(samples, { work: "fill-rbd", unit: "MB/s", better: "higher" }, FILL, [CONVERT, TUNED]);
}

function rowsOf(
  samples: ReadonlyMap<string, ReadonlyMap<number, number>>,
  row: { readonly work: string; readonly unit: string; readonly better: Better },
  ours: string,
  theirs: readonly string[],
): readonly Comparison[] {
  const of = (name: string) => figures(samples, name, (value) => value);
  return theirs.map((peer) => compare({ ...row, peer, ours: of(ours), theirs: of(peer) }));
}
