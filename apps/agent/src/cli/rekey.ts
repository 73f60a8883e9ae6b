import { rekey as action } from "../actions/rekey.ts";
import { describeDisk } from "../output/describe-instance.ts";
import type { Session } from "../session.ts";

export async function rekey(session: Session, id: string, disk: string | undefined): Promise<void> {
  const document = await session.perform(action, { id, disk });
  await session.print(document, () => document.disks.map(describeDisk).join(""));
}
