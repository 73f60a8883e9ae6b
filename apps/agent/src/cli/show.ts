import { describeInstance } from "../output/describe-instance.ts";
import { shownDocument } from "../output/shown-document.ts";
import type { Session } from "../session.ts";
import { describeUnfinished } from "./list.ts";

export async function show(session: Session, id: string): Promise<void> {
  await session.context();
  await using host = await session.read();
  const document = await shownDocument(host, id);
  await session.print(
    document,
    () => `${describeInstance(document)}${describeUnfinished(document.unfinished)}`,
  );
}
