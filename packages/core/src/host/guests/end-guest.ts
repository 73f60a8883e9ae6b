import type { GuestKey, Hypervisor } from "../../guest/hypervisor.ts";
import type { OpContext } from "../../image/op-context.ts";

/** Ends a guest and has the hypervisor forget it, keys apart. Idempotent. */
export async function endGuest(hypervisor: Hypervisor, uuid: string, ctx: OpContext): Promise<void> {
  await hypervisor.destroy(uuid, ctx);
  await hypervisor.undefine(uuid, ctx);
}

/** Idempotent. */
export async function takeKeys(
  hypervisor: Hypervisor,
  keys: readonly GuestKey[],
  ctx: OpContext,
): Promise<void> {
  for (const key of keys) await hypervisor.takeKey(key, ctx);
}
