import { LuksmithError } from "../../errors/luksmith-error.ts";
import type { OpContext } from "../../image/op-context.ts";
import type { WritableHost } from "../host.ts";
import { type DeleteOptions, deleteInstance } from "./delete-instance.ts";
import { deleteSnapshot } from "./delete-snapshot.ts";

/** What was deleted. */
export interface Deleted {
  readonly uuid: string;
  readonly kind: "instance" | "snapshot";
}

/**
 * Deletes the instance or the snapshot with this UUID.
 * @throws `InstanceNotFound` when it is neither, and what `deleteInstance` and `deleteSnapshot` throw
 */
export async function deleteById(
  host: WritableHost,
  uuid: string,
  options: DeleteOptions,
  ctx: OpContext,
): Promise<Deleted> {
  const instance = host.inventory.instance(uuid);
  if (instance) {
    await deleteInstance(host, instance, options, ctx);
    return { uuid, kind: "instance" };
  }
  const snapshot = host.inventory.snapshot(uuid);
  if (snapshot) {
    await deleteSnapshot(host, snapshot, options, ctx);
    return { uuid, kind: "snapshot" };
  }
  throw new LuksmithError(
    "InstanceNotFound",
    `${uuid} is neither an instance nor a snapshot of this host; "luksmith list" shows those there are`,
    { details: { uuid } },
  );
}
