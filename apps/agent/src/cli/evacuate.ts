import { resolve } from "node:path";
import { parseMove } from "@luksmith/core/host";
import * as actions from "../actions/evacuate-actions.ts";
import { readJson, readRequest } from "../input/read-request.ts";
import { describeInstance } from "../output/describe-instance.ts";
import type { Session } from "../session.ts";

export interface EvacuateCommand {
  readonly from?: string;
  readonly recreate?: string;
  readonly start: boolean;
}

export async function evacuate(
  session: Session,
  file: string,
  { from, recreate, start }: EvacuateCommand,
): Promise<void> {
  const input = {
    document: await parseMove(await readJson(file, session)),
    from: from === undefined ? undefined : resolve(session.io.cwd, from),
    recreate: recreate === undefined ? undefined : await readRequest(recreate, session),
    start,
  };
  const document = await session.perform(actions.evacuate, input);
  const state = start ? "running" : "off; luksmith start starts it";
  await session.print(document, () => `${describeInstance(document)}guest ${document.uuid}: ${state}\n`);
}

export async function evacuated(session: Session, id: string, keepDisks: boolean): Promise<void> {
  const document = await session.perform(actions.evacuated, { id, keepDisks });
  const disks = keepDisks ? "its disks stay, untouched" : "and the disks that only this host has are gone";
  await session.print(document, () => `guest ${id} is forgotten here; ${disks}; its passphrases stay\n`);
}
