import { start as action } from "../actions/guest-actions.ts";
import type { Session } from "../session.ts";

export async function start(session: Session, id: string): Promise<void> {
  const document = await session.perform(action, { id });
  await session.print(document, () => `guest ${id} is running\n`);
}
