import { closeSync, fsyncSync, openSync, rmSync } from "node:fs";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { GeneratedPassphrase } from "@luksmith/core";
import { compare, type Comparison } from "../harness/comparison.ts";
import { requireRatio } from "../harness/requirement.ts";
import { figures, interleave, type Subject } from "../harness/rounds.ts";
import { benchContext } from "../ours/bench-host.ts";
import { type MadeDisk, Qcow2Disks } from "../ours/qcow2-disks.ts";
import { makeSource } from "../ours/random-source.ts";
import { convertEncrypted, fillEncrypted } from "../peers/qemu-qcow2.ts";
import type { Work, WorkContext, WorkResult } from "../work.ts";

const MIB = 1024 ** 2;
const TUNED_OPTIONS = ["-t", "none", "-W", "-m", "8"];
const FORMATS = ["raw", "qcow2"] as const;
type Format = (typeof FORMATS)[number];

/** Full encrypted disks, qcow2 and raw, each copied into new encrypted files. */
export const snapshot: Work = {
  name: "snapshot",
  about: "512 MiB of encrypted qcow2 or raw disk into an encrypted raw and qcow2 file",
  run: runSnapshot,
};

async function runSnapshot(ctx: WorkContext): Promise<WorkResult> {
  const bytes = (ctx.quick ? 64 : 512) * MIB;
  await using disks = await Qcow2Disks.start(join(ctx.directory, "host"), BigInt(bytes), MIB);
  const rows: Comparison[] = [];
  for (const from of ["qcow2", "raw"] as const) {
    const disk = await (from === "raw" ? disks.makeRaw(BigInt(bytes)) : disks.make("blank", BigInt(bytes)));
    using _passphrase = disk.passphrase;
    rows.push(...(await compareCopies(disk, from, bytes, ctx)));
    rmSync(disk.image.path);
  }
  return {
    rows,
    verdicts: rows.map((row) => requireRatio(row, 1, `a ${row.work} is not slower than ${row.peer}`)),
    notes: [
      "Ours and the tuned qemu-img have the copy on the disk when they end; the default qemu-img does not sync, and derives its key for 2 s.",
    ],
  };
}

/** Fills a disk, and measures its copies in rounds of their own. */
async function compareCopies(
  disk: MadeDisk,
  from: Format,
  bytes: number,
  ctx: WorkContext,
): Promise<readonly Comparison[]> {
  const work = from === "qcow2" ? "snapshot" : "snapshot-of-raw";
  const secret = disk.passphrase.use((own) => Buffer.from(own));
  const seen = { path: disk.image.path, format: toQemu(from) };
  const source = makeSource(join(ctx.directory, "source.raw"), bytes);
  await fillEncrypted(source, seen, secret);
  settle(disk.image.path, false);
  rmSync(source);
  const target = join(ctx.directory, "copy");
  const timed = (name: string, run: () => Promise<number>): Subject<number> => ({
    name,
    measure: async () => {
      const ms = await run();
      settle(target, true);
      return ms;
    },
  });
  const peer = (format: Format, tuned: boolean) => async () => {
    const [options, luks] = tuned ? [TUNED_OPTIONS, "iter-time=10"] : [[], ""];
    return (await convertEncrypted(seen, target, toQemu(format), secret, options, luks)).wallMs;
  };
  const subjects = FORMATS.flatMap((format) => [
    timed(`ours ${format}`, () => ourSnapshot(disk, format, target)),
    timed(byDefault(format), peer(format, false)),
    timed(tunedName(format), peer(format, true)),
  ]);
  const samples = await interleave(subjects, ctx.rounds(5), (text) => ctx.progress(`${work}, ${text}`));
  secret.fill(0);
  const rate = (name: string) => figures(samples, name, (ms) => bytes / 1000 / ms);
  return FORMATS.flatMap((format) =>
    [byDefault(format), tunedName(format)].map((name) =>
      compare({
        work,
        peer: name,
        unit: "MB/s",
        better: "higher",
        ours: rate(`ours ${format}`),
        theirs: rate(name),
      }),
    ),
  );
}

function toQemu(format: Format): "luks" | "qcow2" {
  return format === "raw" ? "luks" : "qcow2";
}

function byDefault(format: Format): string {
  return `qemu-img convert to encrypted ${format} (default)`;
}

function tunedName(format: Format): string {
  return `qemu-img convert to encrypted ${format} (iter-time=10 ${TUNED_OPTIONS.join(" ")})`;
}

async function ourSnapshot({ image }: MadeDisk, format: Format, path: string): Promise<number> {
  using passphrase = GeneratedPassphrase.create();
  const start = performance.now();
  await image.snapshot(
    { path, format, uuid: randomUUID(), passphrase, operation: randomUUID() },
    { defer: async () => {} },
    benchContext,
  );
  return performance.now() - start;
}

/** Has everything written back, so that the next subject finds what this one found. */
function settle(path: string, remove: boolean): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  if (remove) rmSync(path);
}
