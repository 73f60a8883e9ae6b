import { create as action } from "../actions/create.ts";
import { readRequest } from "../input/read-request.ts";
import { describeInstance } from "../output/describe-instance.ts";
import type { Session } from "../session.ts";

export async function create(session: Session, file: string): Promise<void> {
  const input = await readRequest(file, session);
  const document = await session.perform(action, input);
  await session.print(document, () => describeInstance(document));
}
