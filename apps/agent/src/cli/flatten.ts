import { flatten as action } from "../actions/disk-actions.ts";
import { describeDisk } from "../output/describe-instance.ts";
import type { Session } from "../session.ts";

export async function flatten(session: Session, id: string, disk: string): Promise<void> {
  const document = await session.perform(action, { id, disk });
  await session.print(document, () => describeDisk(document));
}
