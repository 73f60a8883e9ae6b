import { stop as action } from "../actions/guest-actions.ts";
import type { Session } from "../session.ts";

export async function stop(session: Session, id: string, timeoutMs: number): Promise<void> {
  const document = await session.perform(action, { id, timeoutMs });
  await session.print(document, () => `guest ${id} is off; its disks and passphrases stay\n`);
}
