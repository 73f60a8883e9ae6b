import type { OpContext } from "../../image/op-context.ts";
import type { Step } from "../../journal/journal.ts";
import { isMoving, type WritableHost } from "../host.ts";
import { finishDelete } from "../operations/finish-delete.ts";
import { invoker } from "../operations/reveal-secret.ts";
import { removal } from "../operations/removal.ts";
import { sagaStep } from "../operations/steps.ts";
import { requireReceipts } from "../receipts/require-receipts.ts";
import { type FoundGuest, findGuest, isUp } from "./find-guest.ts";
import { keysOfOneGuest } from "./guest-keys.ts";

export interface LetGoOptions {
  /** The disks are on storage that the other host uses, too: they are not touched. Those of `shared` backends never are. */
  readonly keepDisks: boolean;
}

/**
 * Removes a guest that another host has evacuated while this one was down: as `confirmMove`, of a guest that nobody has
 * offered. Whatever of it runs here is ended.
 * @throws `InstanceNotFound`, `DomainNotFound`, `DiskReplaced`, with nothing changed
 */
export async function letGoOfEvacuated(
  host: WritableHost,
  uuid: string,
  options: LetGoOptions,
  ctx: OpContext,
): Promise<void> {
  using _claim = host.claim(uuid, [], { moving: true });
  const found = findGuest(host, uuid);
  // It was never here, or it is here now.
  if (found.guest.moving === "arriving") throw isMoving(uuid, "arriving");
  await letGo(host, found, options, ctx);
}

/** The guest, its disks with their key slots, its keys and this host's copies of them; the passphrases stay. */
export async function letGo(
  host: WritableHost,
  { instance }: FoundGuest,
  { keepDisks }: LetGoOptions,
  ctx: OpContext,
): Promise<void> {
  const { uuid } = instance;
  const services = await host.services();
  const running = isUp(await services.hypervisor.state(uuid, ctx));
  const removals: Step[] = [];
  const { erase_receipts: receipts } = host.config.luksmith;
  for (const record of keepDisks ? [] : instance.disks) {
    const backend = services.backend(record.backend);
    if (backend.capabilities.shared) continue;
    const image = backend.image(record);
    const identity = await image.requireOurs(record.identity, ctx);
    if (!running) await image.requireIdle(ctx);
    removals.push(await removal(record, image, identity, receipts, ctx));
  }
  const keys = keysOfOneGuest(host, instance);
  await requireReceipts(host);
  const operation = host.journal.begin("delete", uuid, ctx, { operator: invoker() }, [
    sagaStep({ kind: "end-guest", data: { uuid } }),
    ...removals,
    sagaStep({ kind: "take-keys", data: { keys } }),
    ...keys.map(({ secretId }) => sagaStep({ kind: "forget-copy", data: { id: secretId } })),
  ]);
  await finishDelete(host, services, operation, uuid, ctx);
}
