import * as actions from "../actions/rescue-actions.ts";
import type { RescueInput } from "../actions/rescue-actions.ts";
import type { Session } from "../session.ts";

export async function rescue(session: Session, input: RescueInput): Promise<void> {
  const document = await session.perform(actions.rescue, input);
  await session.print(
    document,
    () => `guest ${input.id} is running from image ${input.image}; its own root disk is the second one\n`,
  );
}

export async function unrescue(session: Session, id: string): Promise<void> {
  const document = await session.perform(actions.unrescue, { id });
  await session.print(document, () => `the rescue of guest ${id} has ended, and its rescue disk is gone\n`);
}
