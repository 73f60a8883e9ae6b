import { reboot as action } from "../actions/guest-actions.ts";
import type { Session } from "../session.ts";

export async function reboot(session: Session, id: string, hard: boolean): Promise<void> {
  const document = await session.perform(action, { id, hard });
  await session.print(document, () =>
    hard ? `guest ${id} was started anew\n` : `guest ${id} was asked to reboot\n`,
  );
}
