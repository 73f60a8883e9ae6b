import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { compare } from "../harness/comparison.ts";
import { requireRatio } from "../harness/requirement.ts";
import { figures, interleave, REST_MS } from "../harness/rounds.ts";
import { Qcow2Disks } from "../ours/qcow2-disks.ts";
import { createQcow2 } from "../peers/qemu-qcow2.ts";
import { writeAllAndSync, writeAllIntoOpenFile } from "../peers/write-all-floor.ts";
import type { Work, WorkContext, WorkResult } from "../work.ts";

const VIRTUAL_SIZE = 10 * 1024 ** 3;
const IMAGE_BYTES = 1024 ** 2;

const BLANK = "Image.create, blank";
const OVERLAY = "Image.create, overlay";
const UNPREPARED = "Image.create, overlay, its header not made in idle time";
const WRITTEN = "an overlay whose header is made already";
const PEERS = {
  blank: "qemu-img create -f qcow2 luks (default)",
  overlay: "qemu-img create -f qcow2 luks -b (default)",
  floor: "write and sync the same bytes",
  bare: "write the same bytes into an open file, and fdatasync",
} as const;

/** A new encrypted qcow2 disk in a warm agent: blank, and an overlay on a cached base. */
export const createQcow2Work: Work = {
  name: "create-qcow2",
  about: "a new encrypted qcow2 disk of 10 GiB, blank and on a cached base",
  run: runCreateQcow2,
};

async function runCreateQcow2(ctx: WorkContext): Promise<WorkResult> {
  const size = BigInt(VIRTUAL_SIZE);
  await using disks = await Qcow2Disks.start(join(ctx.directory, "host"), size, IMAGE_BYTES);
  const rounds = ctx.rounds(25);
  const slow = Math.min(rounds, ctx.quick ? 1 : 5);
  const secret = Buffer.from("0123456789abcdef".repeat(5));
  const base = join(ctx.directory, "base.raw");
  writeFileSync(base, Buffer.alloc(IMAGE_BYTES, 1));
  const bytes = await disks.overlayBytes(size);
  let made = 0;
  const path = (): string => join(ctx.directory, `peer-${made++}.qcow2`);
  const ours = async (kind: "blank" | "overlay", prepare = true): Promise<number> => {
    const { ms, passphrase } = await disks.make(kind, size, prepare);
    passphrase[Symbol.dispose]();
    return ms;
  };
  const qemu = async (on?: string) => (await createQcow2(path(), VIRTUAL_SIZE, secret, on)).wallMs;
  const subjects = [
    { name: BLANK, measure: () => ours("blank") },
    { name: OVERLAY, measure: () => ours("overlay") },
    { name: UNPREPARED, measure: () => ours("overlay", false) },
    { name: WRITTEN, measure: () => disks.writeOverlay(size) },
    { name: PEERS.blank, rounds: slow, measure: () => qemu() },
    { name: PEERS.overlay, rounds: slow, measure: () => qemu(base) },
    {
      name: PEERS.floor,
      measure: () => writeAllAndSync(join(ctx.directory, `floor-${made++}`, "disk"), bytes),
    },
    { name: PEERS.bare, measure: () => writeAllIntoOpenFile(path(), bytes) },
  ];
  const samples = await interleave(
    subjects,
    rounds,
    (text) => ctx.progress(`create-qcow2, ${text}`),
    REST_MS,
  );
  const of = (name: string) => figures(samples, name, (ms) => ms);
  const against = (work: string, mine: string, peer: string) =>
    compare({ work, peer, unit: "ms", better: "lower", ours: of(mine), theirs: of(peer) });
  const blank = against("create-qcow2", BLANK, PEERS.blank);
  const overlay = against("overlay", OVERLAY, PEERS.overlay);
  const floor = against("overlay", OVERLAY, PEERS.floor);
  const written = against("overlay-no-kdf", WRITTEN, PEERS.floor);
  const others = [
    against("overlay", OVERLAY, PEERS.bare),
    against("overlay-unprepared", UNPREPARED, PEERS.floor),
  ];
  return {
    rows: [blank, overlay, floor, written, ...others],
    verdicts: [
      requireRatio(
        blank,
        100,
        `an encrypted qcow2 disk is made at least 100 times faster than by ${PEERS.blank}`,
      ),
      requireRatio(
        overlay,
        100,
        `an encrypted overlay is made at least 100 times faster than by ${PEERS.overlay}`,
      ),
      requireRatio(floor, 1 / 1.5, `an overlay takes less than 1.5 times as long as to ${PEERS.floor}`),
      requireRatio(
        written,
        1 / 1.5,
        `an overlay, without key derivation and proof, takes less than 1.5 times as long as to ${PEERS.floor}`,
      ),
    ],
    notes: [
      `The same bytes: ${bytes.writes.reduce((sum, write) => sum + write.bytes.length, 0)} in ${bytes.writes.length} writes, and two directories.`,
    ],
  };
}
