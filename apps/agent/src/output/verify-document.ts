import { type InstanceReport, type OpContext, type ReadableHost, verifyDisks } from "@luksmith/core/host";

/** What came of looking at disks, as `verify` gives it. */
export interface VerifyDocument {
  readonly ok: boolean;
  readonly instances: readonly InstanceReport[];
}

/** @param id undefined: all instances */
export async function verifyDocument(
  host: ReadableHost,
  id: string | undefined,
  ctx: OpContext,
): Promise<VerifyDocument> {
  const instances = await verifyDisks(host, id, ctx);
  return { ok: instances.every(({ disks }) => disks.every((disk) => disk.ok)), instances };
}
