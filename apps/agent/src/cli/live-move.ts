import { resolve } from "node:path";
import { LuksmithError, type MigrationRoute, parseMove, parseTarget } from "@luksmith/core/host";
import * as actions from "../actions/live-move-actions.ts";
import { readJson } from "../input/read-request.ts";
import type { Session } from "../session.ts";
import { readReceipt, type ReceiptCommand } from "./move.ts";

export interface SendCommand {
  readonly sockets?: string;
  readonly to?: string;
  readonly memory?: string;
  readonly disks?: string;
  readonly tls?: boolean;
}

export async function expectMove(session: Session, file: string): Promise<void> {
  const given = await parseMove(await readJson(file, session));
  const document = await session.perform(actions.expectMove, { document: given });
  await session.print(document, () => `${JSON.stringify(document, undefined, 2)}\n`);
}

export async function send(session: Session, id: string, file: string, options: SendCommand): Promise<void> {
  const route = routeOf(session, options);
  const target = await parseTarget(await readJson(file, session));
  const document = await session.perform(actions.send, { id, target, route });
  await session.print(
    document,
    () => `guest ${id} runs on the other host; settle it there, then confirm it here\n`,
  );
}

export async function settle(session: Session, id: string, options: ReceiptCommand): Promise<void> {
  const input = { id, receipt: await readReceipt(session, options) };
  const document = await session.perform(actions.settle, input);
  await session.print(document, () => `guest ${id} is this host's; confirm it on the other one\n`);
}

export async function dismiss(session: Session, id: string, options: ReceiptCommand): Promise<void> {
  const input = { id, receipt: await readReceipt(session, options) };
  const document = await session.perform(actions.dismiss, input);
  await session.print(document, () => `guest ${id} is not expected any more; its passphrases stay\n`);
}

/** @throws `UsageError` */
function routeOf({ io }: Session, { sockets, tls = false, ...given }: SendCommand): MigrationRoute {
  const directory = sockets === undefined ? undefined : resolve(io.cwd, sockets);
  const inDirectory = (name: string): string | undefined =>
    directory === undefined ? undefined : encodeURI(`${directory}/${name}`);
  const socket = inDirectory("libvirt");
  const to = given.to ?? (socket && `qemu+unix:///system?socket=${encodeURIComponent(socket)}`);
  if (to === undefined) {
    throw new LuksmithError(
      "UsageError",
      "say how the other host is reached: --sockets DIRECTORY, or --to URI",
    );
  }
  const [memory, disks] = [inDirectory("memory"), inDirectory("disks")];
  return {
    to,
    tls,
    memory: given.memory ?? (memory && `unix://${memory}`),
    disks: given.disks ?? (disks && `unix://${disks}`),
  };
}
