import { type DeleteOptions, deleteById } from "@luksmith/core/host";
import type { Session } from "../session.ts";

export async function deleteOne(session: Session, id: string, options: DeleteOptions): Promise<void> {
  const ctx = await session.context();
  await using host = await session.write(ctx);
  const deleted = await deleteById(host, id, options, ctx);
  await session.print(deleted, () => `deleted ${deleted.kind} ${deleted.uuid} and its passphrases\n`);
}
