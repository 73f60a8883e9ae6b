import type { DeleteOptions } from "@luksmith/core/host";
import { deleteAction } from "../actions/delete.ts";
import type { Session } from "../session.ts";

export async function deleteOne(session: Session, id: string, options: DeleteOptions): Promise<void> {
  const deleted = await session.perform(deleteAction, { id, ...options });
  await session.print(deleted, () => `deleted ${deleted.kind} ${deleted.uuid} and its passphrases\n`);
}
