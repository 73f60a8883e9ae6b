import { resolve } from "node:path";
import { rebase as action } from "../actions/disk-actions.ts";
import { describeDisk } from "../output/describe-instance.ts";
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
  { base, format, trustBase = false }: RebaseOptions,
): Promise<void> {
  const file = resolve(session.io.cwd, base);
  const input = { id, disk, base: file, trustBase, ...(format ? { format } : {}) };
  const document = await session.perform(action, input);
  await session.print(document, () => describeDisk(document));
}
