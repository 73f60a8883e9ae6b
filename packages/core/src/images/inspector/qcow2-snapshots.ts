import type { Qcow2Header } from "./qcow2-header.ts";
import type { Refusals } from "./refusal.ts";

/** QEMU's limit, `QCOW_MAX_SNAPSHOTS`. */
const MAX_SNAPSHOTS = 65_536;
/** The least that one snapshot takes in the table: its fixed fields. */
const ENTRY_BYTES = 40n;

/** Whether the snapshot table can be what the header says; whether snapshots are wanted at all is policy. */
export function checkSnapshots(header: Qcow2Header, size: bigint, refusals: Refusals): void {
  const { snapshots, snapshotsOffset } = header;
  const details = { snapshots, snapshotsOffset: String(snapshotsOffset) };
  const end = snapshotsOffset + BigInt(snapshots) * ENTRY_BYTES;
  if (snapshots > MAX_SNAPSHOTS) {
    refusals.add("Qcow2Snapshots", `claims ${snapshots} snapshots`, details);
  } else if (
    (snapshotsOffset === 0n && snapshots > 0) ||
    snapshotsOffset % (1n << BigInt(header.clusterBits)) !== 0n
  ) {
    refusals.add("Qcow2Snapshots", "has a snapshot table that does not start on a cluster", details);
  } else if (snapshots > 0 && end > size) {
    refusals.addTruncated("snapshot table", end, size);
  }
}
