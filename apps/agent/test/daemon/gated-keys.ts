import {
  cancelledError,
  type CreateSecret,
  definePlugin,
  KeyManagers,
  LuksmithError,
  type OpContext,
  type SecretRef,
} from "@luksmith/core";
import { LocalKeyManager } from "@luksmith/keymgr-local";
import * as z from "zod";

/** Holds creates up until a test lets them go on; in one place, however often this file is loaded. */
export interface Gate {
  /** Creates that wait. */
  readonly waiting: Set<() => void>;
  closed: boolean;
  /** Where it stands: before the journal knows of the operation, or after. */
  at: "scope" | "create";
  /** Secrets cannot be deleted. */
  stuck: boolean;
  /** As whom the last call was made; undefined: nobody. */
  lastToken: string | undefined;
}

const PLACE = Symbol.for("luksmith.test.gate");

export function gate(): Gate {
  const world = globalThis as { [PLACE]?: Gate };
  return (world[PLACE] ??= {
    waiting: new Set(),
    closed: false,
    at: "scope",
    stuck: false,
    lastToken: undefined,
  });
}

export function openGate(): void {
  gate().closed = false;
  gate().at = "scope";
  gate().stuck = false;
  for (const release of gate().waiting) release();
}

async function pass(at: Gate["at"], ctx: OpContext): Promise<void> {
  if (!gate().closed || gate().at !== at) return;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const cancel = (): void => reject(cancelledError(ctx.signal.reason));
  ctx.signal.addEventListener("abort", cancel, { once: true });
  if (ctx.signal.aborted) cancel();
  gate().waiting.add(resolve);
  try {
    await promise;
  } finally {
    gate().waiting.delete(resolve);
    ctx.signal.removeEventListener("abort", cancel);
  }
}

/** The local key manager behind the gate; it asks who is there, as one of a cloud does. */
class GatedKeys extends LocalKeyManager {
  async scope(ctx: OpContext): Promise<string | undefined> {
    const token = await ctx.userToken?.current(ctx);
    gate().lastToken = token?.use((bytes) => Buffer.from(bytes).toString());
    await pass("scope", ctx);
    return undefined;
  }

  override async create(request: CreateSecret, ctx: OpContext): Promise<SecretRef> {
    await pass("create", ctx);
    return await super.create(request, ctx);
  }

  override async delete(ref: SecretRef, ctx: OpContext): Promise<void> {
    if (gate().stuck) throw new LuksmithError("KeyManagerUnavailable", "the test keeps the secrets");
    await super.delete(ref, ctx);
  }
}

export default definePlugin<{ readonly statePath: string }>({
  name: "gated-keys",
  apiVersion: 1,
  config: z.object({ statePath: z.string() }),
  register(registrar, { statePath }) {
    const keyFile = `${statePath}/key-encryption-key`;
    registrar.provide(
      KeyManagers,
      () => new GatedKeys({ statePath, keyFile, credentialsDirectory: undefined }),
    );
  },
});
