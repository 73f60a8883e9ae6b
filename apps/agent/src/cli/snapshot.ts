import { resolve } from "node:path";
import { snapshot as action } from "../actions/snapshot.ts";
import { printable } from "../output/table.ts";
import type { Session } from "../session.ts";

export interface SnapshotOptions {
  readonly format?: "raw" | "qcow2";
  readonly plain?: boolean;
}

export async function snapshot(
  session: Session,
  id: string,
  disk: string,
  target: string,
  { format, plain = false }: SnapshotOptions,
): Promise<void> {
  const file = resolve(session.io.cwd, target);
  const input = { id, disk, target: file, plain, ...(format ? { format } : {}) };
  const made = await session.perform(action, input);
  await session.print(made, () => {
    const secret = made.encryption_secret_uuid;
    const how = secret === null ? "not encrypted" : `${made.encryption_format}, secret ${secret}`;
    return `snapshot ${made.uuid} of ${disk} of instance ${id}: ${printable(made.path)} (${made.format}, ${how})\n`;
  });
}
