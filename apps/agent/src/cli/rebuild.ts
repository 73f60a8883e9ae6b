import { rebuild as action } from "../actions/rebuild.ts";
import { readRequest } from "../input/read-request.ts";
import { describeInstance } from "../output/describe-instance.ts";
import type { Session } from "../session.ts";

export interface RebuildCommand {
  readonly file: string;
  readonly timeout: number;
}

export async function rebuild(session: Session, { file, timeout }: RebuildCommand): Promise<void> {
  const input = { ...(await readRequest(file, session)), timeoutMs: timeout * 1000 };
  const document = await session.perform(action, input);
  await session.print(document, () => describeInstance(document));
}
