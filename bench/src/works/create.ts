import { join } from "node:path";
import { compare } from "../harness/comparison.ts";
import { requireRatio } from "../harness/requirement.ts";
import { figures, interleave, REST_MS, type Subject } from "../harness/rounds.ts";
import { luksFormat } from "../peers/cryptsetup.ts";
import { QemuImg } from "../peers/qemu.ts";
import { writeAndSync } from "../peers/write-floor.ts";
import type { Work, WorkContext, WorkResult } from "../work.ts";
import { WarmCreator } from "../ours/warm-creator.ts";

const VIRTUAL_SIZE = 10 * 1024 ** 3;
const PAYLOAD_OFFSET = 4096 * 512;

const OURS = "Image.create";
const UNPREPARED = "Image.create, its header not made in idle time";
const OURS_WHOLE = "createInstance";
const PEERS = {
  qemuDefault: "qemu-img create -f luks (default)",
  qemuFastest: "qemu-img create -f luks (iter-time=1)",
  cryptsetupDefault: "cryptsetup luksFormat (default)",
  cryptsetupForced: "cryptsetup luksFormat (--pbkdf-force-iterations 1000)",
  floor: "write and sync the same bytes",
} as const;

/** A new encrypted raw disk of 10 GiB in a warm agent, against the programs that can make one. */
export const create: Work = {
  name: "create",
  about: "a new encrypted raw disk of 10 GiB",
  run: runCreate,
};

async function runCreate(ctx: WorkContext): Promise<WorkResult> {
  await using creator = await WarmCreator.start(join(ctx.directory, "host"), VIRTUAL_SIZE);
  const qemu = new QemuImg();
  const rounds = ctx.rounds(25);
  const slow = Math.min(rounds, ctx.quick ? 1 : 7);
  const secret = Buffer.from("0123456789abcdef".repeat(5));
  let made = 0;
  const path = (): string => join(ctx.directory, `peer-${made++}.img`);
  const peer = (name: string, count: number, run: () => Promise<{ wallMs: number }>): Subject<number> => ({
    name,
    rounds: count,
    measure: async () => (await run()).wallMs,
  });
  const fileBytes = VIRTUAL_SIZE + PAYLOAD_OFFSET;
  const forced = ["--pbkdf-force-iterations", "1000"];
  const subjects: Subject<number>[] = [
    { name: OURS, measure: () => creator.createImage() },
    { name: UNPREPARED, measure: () => creator.createImage(false) },
    { name: OURS_WHOLE, measure: () => creator.createInstance() },
    peer(PEERS.qemuDefault, slow, () => qemu.createLuks(path(), VIRTUAL_SIZE, secret)),
    peer(PEERS.qemuFastest, slow, () => qemu.createLuks(path(), VIRTUAL_SIZE, secret, "iter-time=1")),
    peer(PEERS.cryptsetupDefault, slow, () => luksFormat(path(), fileBytes, secret, [])),
    peer(PEERS.cryptsetupForced, rounds, () => luksFormat(path(), fileBytes, secret, forced)),
    {
      name: PEERS.floor,
      measure: () => writeAndSync(join(ctx.directory, `floor-${made++}`, "disk"), fileBytes),
    },
  ];
  const samples = await interleave(subjects, rounds, (text) => ctx.progress(`create, ${text}`), REST_MS);
  const of = (name: string): ReadonlyMap<number, number> => figures(samples, name, (ms) => ms);
  const against = (work: string, ours: string, theirs: string) =>
    compare({ work, peer: theirs, unit: "ms", better: "lower", ours: of(ours), theirs: of(theirs) });
  const image = {
    qemuDefault: against("create", OURS, PEERS.qemuDefault),
    qemuFastest: against("create", OURS, PEERS.qemuFastest),
    cryptsetupDefault: against("create", OURS, PEERS.cryptsetupDefault),
    cryptsetupForced: against("create", OURS, PEERS.cryptsetupForced),
    floor: against("create", OURS, PEERS.floor),
  };
  return {
    rows: [
      ...Object.values(image),
      ...[PEERS.cryptsetupForced, PEERS.floor].map((name) => against("create-unprepared", UNPREPARED, name)),
      ...Object.values(PEERS).map((name) => against("create-instance", OURS_WHOLE, name)),
    ],
    verdicts: [
      requireRatio(image.qemuDefault, 100, `create is at least 100 times faster than ${PEERS.qemuDefault}`),
      requireRatio(
        image.cryptsetupDefault,
        100,
        `create is at least 100 times faster than ${PEERS.cryptsetupDefault}`,
      ),
      requireRatio(
        image.cryptsetupForced,
        5,
        `create is at least 5 times faster than ${PEERS.cryptsetupForced}`,
      ),
      requireRatio(image.floor, 1 / 4, `create takes at most 4 times as long as to ${PEERS.floor}`),
    ],
    notes: [qemu.note],
  };
}
