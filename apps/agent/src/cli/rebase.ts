import { resolve } from "node:path";
import { findInstance, rebaseDisk } from "@luksmith/core/host";
import { printDisk } from "../output/print-disk.ts";
import type { Session } from "../session.ts";

export interface RebaseOptions {
  readonly base: string;
  readonly format?: "raw" | "qcow2";
  readonly trustBase?: boolean;
}

export async function rebase(
  session: Session,
  id: string,
  disk: string,
  { base, format, trustBase: trusted = false }: RebaseOptions,
): Promise<void> {
  const ctx = await session.context();
  await using host = await session.write(ctx);
  const instance = await findInstance(host, id);
  const request = { disk, file: resolve(session.io.cwd, base), trusted, ...(format ? { format } : {}) };
  const rebased = await rebaseDisk(host, instance, request, ctx);
  await printDisk(session, { ...instance, disks: [rebased] }, host.config);
}
