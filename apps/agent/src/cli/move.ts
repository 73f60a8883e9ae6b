import { resolve } from "node:path";
import { describeGuest, findGuest, type MoveReceipt, parseMove, parseReceipt } from "@luksmith/core/host";
import * as actions from "../actions/move-actions.ts";
import { readJson } from "../input/read-request.ts";
import { describeInstance } from "../output/describe-instance.ts";
import type { Session } from "../session.ts";

export interface AdoptCommand {
  readonly from?: string;
  readonly start: boolean;
}

export interface OfferCommand {
  readonly live?: boolean;
}

export interface ReceiptCommand {
  readonly receipt?: string;
}

export async function offer(session: Session, id: string, { live = false }: OfferCommand): Promise<void> {
  const document = await session.perform(actions.offer, { id, live });
  await session.print(document, () => `${JSON.stringify(document, undefined, 2)}\n`);
}

export async function describe(session: Session, id: string): Promise<void> {
  await session.context();
  await using host = await session.read();
  const document = await describeGuest(await findGuest(host, id));
  await session.print(document, () => `${JSON.stringify(document, undefined, 2)}\n`);
}

export async function adopt(session: Session, file: string, { from, start }: AdoptCommand): Promise<void> {
  const input = {
    document: await parseMove(await readJson(file, session)),
    from: from === undefined ? undefined : resolve(session.io.cwd, from),
    start,
  };
  const document = await session.perform(actions.adopt, input);
  const state = start ? "running" : "off; luksmith start starts it";
  await session.print(document, () => `${describeInstance(document)}guest ${document.uuid}: ${state}\n`);
}

export async function confirm(session: Session, id: string, options: ReceiptCommand): Promise<void> {
  const input = { id, receipt: await readReceipt(session, options) };
  const document = await session.perform(actions.confirm, input);
  await session.print(
    document,
    () => `guest ${id} is gone here, and the disks that only this host has; its passphrases stay\n`,
  );
}

export async function revert(session: Session, id: string, options: ReceiptCommand): Promise<void> {
  const input = { id, receipt: await readReceipt(session, options) };
  const document = await session.perform(actions.revert, input);
  await session.print(document, () => `guest ${id} is this host's again\n`);
}

export async function readReceipt(
  session: Session,
  { receipt }: ReceiptCommand,
): Promise<MoveReceipt | undefined> {
  return receipt === undefined ? undefined : await parseReceipt(await readJson(receipt, session));
}
