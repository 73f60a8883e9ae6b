import type { InspectionPolicy } from "./check-policy.ts";
import type { FormatMatch } from "./inspect-image.ts";
import { Refusals, type Refusal } from "./refusal.ts";

/** Why a sound image is not wanted here. */
export function policyRefusals(match: FormatMatch, policy: InspectionPolicy): readonly Refusal[] {
  const refusals = new Refusals(match.format);
  if (match.virtualSize === 0n) refusals.add("ImageEmpty", "is a disk of 0 bytes");
  if (match.virtualSize !== undefined && match.virtualSize > policy.maxVirtualSize) {
    const what = `is a disk of ${match.virtualSize} bytes, more than ${policy.maxVirtualSize}`;
    refusals.add("ImageTooLarge", what, { virtualSize: String(match.virtualSize) });
  }
  if (isEncrypted(match) && !policy.allowEncrypted) {
    refusals.add("ImageEncrypted", "is encrypted, and encrypted images are not accepted here");
  }
  if (match.format === "qcow2" && match.facts) checkSnapshots(match.facts.snapshots, policy, refusals);
  if (match.format === "vmdk" && match.facts) checkCreateType(match.facts.createType, policy, refusals);
  return refusals.list;
}

export function isEncrypted(match: FormatMatch): boolean {
  return match.format === "luks" || (match.format === "qcow2" && match.facts?.encryption !== undefined);
}

function checkSnapshots(snapshots: number, { maxSnapshots }: InspectionPolicy, refusals: Refusals): void {
  if (snapshots <= maxSnapshots) return;
  const what = `has ${snapshots} internal snapshots; drop them with qemu-img convert`;
  refusals.add("Qcow2Snapshots", what, { snapshots });
}

function checkCreateType(
  createType: string | undefined,
  { vmdkCreateTypes }: InspectionPolicy,
  refusals: Refusals,
): void {
  if (createType !== undefined && vmdkCreateTypes.includes(createType)) return;
  const wanted =
    vmdkCreateTypes.length > 0 ? `not ${vmdkCreateTypes.join(" or ")}` : "and none is taken here";
  const what = `is a VMDK of the kind ${createType ?? "unknown"}, ${wanted}`;
  refusals.add("VmdkCreateType", what, { createType, allowed: vmdkCreateTypes });
}
