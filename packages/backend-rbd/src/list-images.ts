import { BEARING_BYTES, bearingOf, type OpContext, type StoredDisk } from "@luksmith/core";
import type { RbdCluster } from "./ceph/rbd-cluster.ts";

const DISK = /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})_(disk.*)$/u;
const PARTIAL = /^luksmith-partial-/u;
/** Images that are looked at in one request. */
const AT_ONCE = 20;

interface Described {
  readonly name: string;
  readonly id: string;
  /** Its first bytes. */
  readonly head: string;
  /** ISO 8601 */
  readonly changed: string;
}

/** Images that are named as disks, and those that a creation has given no name yet. A pool is for all hosts. */
export async function* listImages(cluster: RbdCluster, ctx: OpContext): AsyncIterable<StoredDisk> {
  const what = `looking for disks in ${cluster.label}`;
  const { names: all } = await cluster.call<{ names: readonly string[] }>("names", {}, { what }, ctx);
  const names = all.filter((name) => DISK.test(name) || PARTIAL.test(name));
  for (let at = 0; at < names.length; at += AT_ONCE) {
    const args = { names: names.slice(at, at + AT_ONCE), bytes: BEARING_BYTES };
    const { images } = await cluster.call<{ images: readonly Described[] }>("describe", args, { what }, ctx);
    for (const { name, id, head, changed } of images) {
      const [, instanceUuid, disk] = DISK.exec(name) ?? [];
      const bearing = bearingOf(Buffer.from(head, "hex"));
      yield {
        path: `${cluster.label}/${name}`,
        instanceUuid,
        name: disk,
        identity: { image: id },
        ...bearing,
        changedAt: new Date(changed).toISOString(),
        shared: true,
      };
    }
  }
}
