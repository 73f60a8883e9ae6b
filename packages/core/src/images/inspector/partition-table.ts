import { gptSectorSize, inspectGpt } from "./gpt.ts";
import { checkMbr, readMbr } from "./mbr.ts";
import type { Probe } from "./probe.ts";
import { type Refusal, Refusals } from "./refusal.ts";

/** What partitions the bytes of a raw image, or of an ISO that also boots from a USB stick. */
export interface PartitionTable {
  readonly kind: "gpt" | "mbr";
  readonly partitions: number;
  /** Of GPT only. */
  readonly sectorSize?: number;
  readonly refusals: readonly Refusal[];
}

export async function inspectPartitionTable(probe: Probe): Promise<PartitionTable | undefined> {
  const mbr = readMbr(probe.head);
  const sectorSize = gptSectorSize(probe.head);
  if (!mbr && sectorSize === undefined) return undefined;
  const refusals = new Refusals(sectorSize === undefined ? "mbr" : "gpt");
  if (mbr) checkMbr(mbr, refusals);
  if (sectorSize === undefined) {
    if (mbr?.protective)
      refusals.add("GptHeaderInvalid", "has a protective MBR without a GPT; fetch it again");
    const partitions = mbr?.entries.filter(({ type }) => type !== 0).length ?? 0;
    return { kind: "mbr", partitions, refusals: refusals.list };
  }
  if (!mbr?.protective) {
    refusals.add("ProtectiveMbrInvalid", "has a GPT without a protective MBR; rewrite its table with sgdisk");
  }
  const gpt = await inspectGpt(probe, sectorSize, refusals);
  return { kind: "gpt", ...gpt, refusals: refusals.list };
}
