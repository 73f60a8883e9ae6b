import type { HeaderWrite } from "@luksmith/luks";
import type { HeaderStore } from "./header-store.ts";
import type { OpContext } from "./op-context.ts";

/** Writes in the order given, each durable before the next. */
export async function writeInOrder(
  store: HeaderStore,
  writes: readonly HeaderWrite[],
  ctx: OpContext,
): Promise<void> {
  for (const { offset, bytes } of writes) {
    await store.write(offset, bytes, ctx);
    await store.sync(ctx);
  }
}
