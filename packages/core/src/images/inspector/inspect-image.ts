import type { OpContext } from "../../image/op-context.ts";
import { inspectBochs } from "./bochs.ts";
import type { ByteSource } from "./byte-source.ts";
import { inspectCloop } from "./cloop.ts";
import { inspectDmg } from "./dmg.ts";
import { inspectIso } from "./iso.ts";
import { inspectLuks } from "./luks.ts";
import { inspectParallels } from "./parallels.ts";
import { inspectPartitionTable, type PartitionTable } from "./partition-table.ts";
import { inspectPloop } from "./ploop.ts";
import { Probe } from "./probe.ts";
import { inspectQcow } from "./qcow.ts";
import { inspectQcow2 } from "./qcow2.ts";
import { inspectQed } from "./qed.ts";
import { rawMatch } from "./raw.ts";
import { inspectVdi } from "./vdi.ts";
import { inspectVhd } from "./vhd.ts";
import { inspectVhdx } from "./vhdx.ts";
import { inspectVmdk } from "./vmdk.ts";

/** Every format that a disk image tool, QEMU's drivers above all, can be made to read. */
const INSPECTORS = [
  inspectQcow2,
  inspectQcow,
  inspectQed,
  inspectVmdk,
  inspectVhd,
  inspectVhdx,
  inspectVdi,
  inspectLuks,
  inspectIso,
  inspectParallels,
  inspectPloop,
  inspectBochs,
  inspectCloop,
  inspectDmg,
] as const;

/** A format that a file bears the marks of, what its header says, and why it must be refused. */
export type FormatMatch =
  | NonNullable<Awaited<ReturnType<(typeof INSPECTORS)[number]>>>
  | ReturnType<typeof rawMatch>;

/** What a file is, as far as its own bytes tell. Nothing is accepted yet: see `checkImage`. */
export interface Inspection {
  /** Bytes of the file. */
  readonly size: bigint;
  /** All formats that match, never empty: `raw` stands for none. */
  readonly matches: readonly FormatMatch[];
  readonly partitionTable?: PartitionTable;
  /** What the inspection cost. */
  readonly spent: { readonly reads: number; readonly bytes: number };
}

/**
 * Reads what a file's bytes say it is, before any tool sees it: in bounded time and memory, whatever the bytes are.
 * Hostile or damaged metadata is not an error here but a refusal in the result.
 * @throws `ImageInspectionLimit`, `IoError` and its kin, `Cancelled`
 */
export async function inspectImage(source: ByteSource, ctx: OpContext): Promise<Inspection> {
  const probe = await Probe.open(source, ctx);
  const matches: FormatMatch[] = [];
  for (const inspect of INSPECTORS) {
    const match = await inspect(probe);
    if (match) matches.push(match);
  }
  const partitionTable = await inspectPartitionTable(probe);
  return {
    size: probe.size,
    matches: matches.length > 0 ? matches : [rawMatch(probe)],
    ...(partitionTable ? { partitionTable } : {}),
    spent: probe.spent,
  };
}
