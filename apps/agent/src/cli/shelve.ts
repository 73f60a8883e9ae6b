import { dirname, resolve } from "node:path";
import { parseMove } from "@luksmith/core/host";
import * as actions from "../actions/shelf-actions.ts";
import { readJson } from "../input/read-request.ts";
import { describeInstance } from "../output/describe-instance.ts";
import type { Session } from "../session.ts";

export interface ShelveCommand {
  readonly to: string;
  readonly timeout: number;
}

export async function shelve(session: Session, id: string, { to, timeout }: ShelveCommand): Promise<void> {
  const directory = resolve(session.io.cwd, to);
  const document = await session.perform(actions.shelve, { id, directory, timeoutMs: timeout * 1000 });
  await session.print(
    document,
    () =>
      `guest ${id} is on the shelf, and gone here; its passphrases stay\nluksmith unshelve ${document.path} brings it back\n`,
  );
}

export async function unshelve(session: Session, file: string, start: boolean): Promise<void> {
  const input = {
    document: await parseMove(await readJson(file, session)),
    directory: dirname(resolve(session.io.cwd, file)),
    start,
  };
  const document = await session.perform(actions.unshelve, input);
  const state = start ? "running" : "off; luksmith start starts it";
  await session.print(document, () => `${describeInstance(document)}guest ${document.uuid}: ${state}\n`);
}
