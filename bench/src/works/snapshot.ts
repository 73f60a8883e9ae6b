import { closeSync, fsyncSync, openSync, rmSync } from "node:fs";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { GeneratedPassphrase } from "@luksmith/core";
import { compare } from "../harness/comparison.ts";
import { requireRatio } from "../harness/requirement.ts";
import { figures, interleave, type Subject } from "../harness/rounds.ts";
import { benchContext } from "../ours/bench-host.ts";
import { type MadeDisk, Qcow2Disks } from "../ours/qcow2-disks.ts";
import { makeSource } from "../ours/random-source.ts";
import { convertQcow2, fillQcow2 } from "../peers/qemu-qcow2.ts";
import type { Work, WorkContext, WorkResult } from "../work.ts";

const MIB = 1024 ** 2;
const TUNED_OPTIONS = ["-t", "none", "-W", "-m", "8"];

/** An encrypted qcow2 disk, full, copied into a new encrypted file. */
export const snapshot: Work = {
  name: "snapshot",
  about: "512 MiB of encrypted qcow2 disk into an encrypted raw and qcow2 file",
  run: runSnapshot,
};

async function runSnapshot(ctx: WorkContext): Promise<WorkResult> {
  const bytes = (ctx.quick ? 64 : 512) * MIB;
  await using disks = await Qcow2Disks.start(join(ctx.directory, "host"), BigInt(bytes), MIB);
  const disk = await disks.make("blank", BigInt(bytes));
  using passphrase = disk.passphrase;
  const secret = passphrase.use((own) => Buffer.from(own));
  const source = makeSource(join(ctx.directory, "source.raw"), bytes);
  await fillQcow2(source, disk.image.path, secret);
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
  const peer = (format: "luks" | "qcow2", tuned: boolean) => async () => {
    const [options, luks] = tuned ? [TUNED_OPTIONS, "iter-time=10"] : [[], ""];
    return (await convertQcow2(disk.image.path, target, format, secret, options, luks)).wallMs;
  };
  const formats = ["raw", "qcow2"] as const;
  const subjects = formats.flatMap((format) => {
    const qemu = format === "raw" ? "luks" : "qcow2";
    return [
      timed(`ours ${format}`, () => ourSnapshot(disk, format, target)),
      timed(byDefault(format), peer(qemu, false)),
      timed(tunedName(format), peer(qemu, true)),
    ];
  });
  const samples = await interleave(subjects, ctx.rounds(5), (text) => ctx.progress(`snapshot, ${text}`));
  const rate = (name: string) => figures(samples, name, (ms) => bytes / 1000 / ms);
  const rows = formats.flatMap((format) =>
    [byDefault(format), tunedName(format)].map((name) =>
      compare({
        work: "snapshot",
        peer: name,
        unit: "MB/s",
        better: "higher",
        ours: rate(`ours ${format}`),
        theirs: rate(name),
      }),
    ),
  );
  return {
    rows,
    verdicts: rows.map((row) => requireRatio(row, 1, `a snapshot is not slower than ${row.peer}`)),
    notes: [
      "Ours and the tuned qemu-img have the copy on the disk when they end; the default qemu-img does not sync, and derives its key for 2 s.",
    ],
  };
}

function byDefault(format: "raw" | "qcow2"): string {
  return `qemu-img convert to encrypted ${format} (default)`;
}

function tunedName(format: "raw" | "qcow2"): string {
  return `qemu-img convert to encrypted ${format} (iter-time=10 ${TUNED_OPTIONS.join(" ")})`;
}

async function ourSnapshot({ image }: MadeDisk, format: "raw" | "qcow2", path: string): Promise<number> {
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
