import { findInstance } from "@luksmith/core/host";
import { wholeInstanceDocument } from "../actions/create.ts";
import { describeInstance } from "../output/describe-instance.ts";
import type { Session } from "../session.ts";

export async function show(session: Session, id: string): Promise<void> {
  await session.context();
  await using host = await session.read();
  const document = wholeInstanceDocument(await findInstance(host, id), host.config);
  await session.print(document, () => describeInstance(document));
}
