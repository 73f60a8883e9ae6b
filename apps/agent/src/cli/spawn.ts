import { readFile } from "node:fs/promises";
import { ioError } from "@luksmith/core/host";
import { spawn as action } from "../actions/guest-actions.ts";
import { readRequest } from "../input/read-request.ts";
import { describeInstance } from "../output/describe-instance.ts";
import type { Session } from "../session.ts";

export interface SpawnCommand {
  readonly file: string;
  readonly start: boolean;
  readonly domainXml?: string;
}

export async function spawn(session: Session, { file, start, domainXml }: SpawnCommand): Promise<void> {
  const template = domainXml === undefined ? undefined : await text(domainXml);
  const input = { ...(await readRequest(file, session)), start, template };
  const document = await session.perform(action, input);
  const state = start ? "running" : "off; luksmith start starts it";
  await session.print(document, () => `${describeInstance(document)}guest ${document.uuid}: ${state}\n`);
}

async function text(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw ioError(error, `reading ${path}`, { path });
  }
}
