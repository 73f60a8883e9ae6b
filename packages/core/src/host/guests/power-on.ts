import type { OpContext } from "../../image/op-context.ts";
import type { InstanceRecord } from "../../journal/inventory.ts";
import type { Operation } from "../../journal/journal.ts";
import type { WritableHost } from "../host.ts";
import { type FoundGuest, isUp } from "./find-guest.ts";
import { closeDisks, readyDisks } from "./guest-disks.ts";
import { giveKeys } from "./guest-keys.ts";
import { definitionNow } from "./rescue-view.ts";
import { startDefined } from "./start-defined.ts";

/**
 * Starts a guest that is off: its disks are proven ours and made ready, the hypervisor gets its keys and its definition, each as it is
 * now. A start that fails leaves no guest that hangs.
 * @returns the instance with where the guest finds its disks
 * @throws `DiskNotFound`, `DiskReplaced`, what `giveKeys` throws, and what the hypervisor's `start` throws
 */
export async function powerOn(
  host: WritableHost,
  found: FoundGuest,
  ctx: OpContext,
): Promise<InstanceRecord> {
  const services = await host.services();
  const { hypervisor } = services;
  const instance = await readyDisks(host, found.instance, ctx);
  await giveKeys(services, instance, "all", ctx);
  await hypervisor.define(definitionNow(hypervisor, { ...found, instance }, host.config), ctx);
  try {
    await startDefined(services, instance, ctx);
  } catch (error) {
    const steady = { ...ctx, signal: new AbortController().signal };
    await hypervisor.destroy(instance.uuid, steady).catch((second: unknown) => {
      ctx.log.error({ instance: instance.uuid, err: second }, "could not end a guest that did not start");
    });
    throw error;
  }
  return instance;
}

/** What failed shall not leave a guest off that ran. */
export async function backOn(host: WritableHost, found: FoundGuest, ctx: OpContext): Promise<void> {
  const steady = { ...ctx, signal: new AbortController().signal };
  try {
    const { hypervisor } = await host.services();
    if (!isUp(await hypervisor.state(found.instance.uuid, steady))) await powerOn(host, found, steady);
  } catch (error) {
    ctx.log.error({ instance: found.instance.uuid, err: error }, "could not start the guest again");
  }
}

/** What failed shall not leave disks open of a guest that was off. */
export async function closeAgain(
  host: WritableHost,
  { instance }: FoundGuest,
  ctx: OpContext,
): Promise<void> {
  const steady = { ...ctx, signal: new AbortController().signal };
  // As they are recorded now: where the guest finds them may have been noted meanwhile.
  const now = host.inventory.instance(instance.uuid) ?? instance;
  await closeDisks(host, now, steady).catch((error: unknown) => {
    ctx.log.error(
      { instance: instance.uuid, err: error },
      "could not close the disks of a guest that is off",
    );
  });
}

/** Ends a start or a hard reboot by what has become of the guest. Idempotent. */
export async function settlePower(
  host: WritableHost,
  operation: Operation,
  uuid: string,
  ctx: OpContext,
): Promise<void> {
  const { hypervisor } = await host.services();
  if (isUp(await hypervisor.state(uuid, ctx))) {
    operation.end("done", () => host.inventory.guests.setWanted(uuid, "on"));
    return;
  }
  // A start that a killed process has asked for may still be under way.
  await hypervisor.destroy(uuid, ctx);
  const instance = host.inventory.instance(uuid);
  if (instance) await closeDisks(host, instance, ctx);
  operation.end("undone");
}

/** As `settlePower`, after a failure that is to be told: what cannot be settled now stays for recovery. */
export async function trySettlePower(
  host: WritableHost,
  operation: Operation,
  uuid: string,
  ctx: OpContext,
): Promise<void> {
  const steady = { ...ctx, signal: new AbortController().signal };
  await settlePower(host, operation, uuid, steady).catch((error: unknown) => {
    ctx.log.error({ instance: uuid, err: error }, `could not settle a failed ${operation.kind}`);
  });
}
