import type { ImageBackend, OpContext, StoredDisk } from "@luksmith/core";
import type { Fault } from "./fault.ts";

type Change = (disks: readonly StoredDisk[]) => readonly StoredDisk[];

/** Lists from which a reconciler would learn something wrong. */
export const BROKEN_LISTS: readonly Fault[] = [
  { what: "a list that leaves one out", rule: "IB-56", backend: listing((disks) => disks.slice(1)) },
  {
    what: "a list that says of all that they were made in 1970",
    rule: "IB-56",
    backend: listing((disks) => disks.map((disk) => ({ ...disk, changedAt: new Date(0).toISOString() }))),
  },
  {
    what: "a list that takes what it cannot read for erased",
    rule: "IB-57",
    backend: listing((disks) => disks.map((disk) => ({ ...disk, keySlots: disk.keySlots ?? 0 }))),
  },
  {
    what: "a list that does not see that nothing opens a disk",
    rule: "IB-57",
    backend: listing((disks) =>
      disks.map(({ keySlots, ...disk }) => ({ ...disk, keySlots: keySlots || undefined })),
    ),
  },
];

function listing(change: Change): (backend: ImageBackend) => Partial<ImageBackend> {
  return (backend) => ({ list: (ctx) => relisted(backend, ctx, change) });
}

async function* relisted(backend: ImageBackend, ctx: OpContext, change: Change): AsyncIterable<StoredDisk> {
  const all: StoredDisk[] = [];
  for await (const disk of backend.list?.(ctx) ?? []) all.push(disk);
  yield* change(all);
}
