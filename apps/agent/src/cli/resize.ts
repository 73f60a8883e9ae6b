import { resize as action } from "../actions/disk-actions.ts";
import { parseSize } from "../input/parse-size.ts";
import { describeDisk } from "../output/describe-instance.ts";
import type { Session } from "../session.ts";

export async function resize(session: Session, id: string, disk: string, size: string): Promise<void> {
  const document = await session.perform(action, { id, disk, size: parseSize(size) });
  await session.print(document, () => describeDisk(document));
}
