import { isLuksmithError } from "../errors/luksmith-error.ts";
import type { KeyManager } from "./key-manager.ts";

/** One call of a key manager that has ended. */
export interface KeyManagerEvent {
  readonly call: "create" | "get" | "delete" | "list" | "scope";
  /** Undefined: it succeeded. */
  readonly code: string | undefined;
}

/** Calls that are held back, so that a key manager on another host is not asked too often. */
export type KeyManagerTurn =
  /** One began or ended to wait; `waiting`: how many do now. */
  | { readonly call: "wait"; readonly began: boolean; readonly waiting: number }
  /** One would have waited too long. */
  | { readonly call: "refused" };

/** Told of each call; for metrics. Must not throw. */
export type KeyManagerListener = (event: KeyManagerEvent | KeyManagerTurn) => void;

/** The same key manager, whose calls are told to `listener`. Whoever owns `keys` closes it. */
export function observedKeys(keys: KeyManager, listener: KeyManagerListener): KeyManager {
  const told = async <T>(call: KeyManagerEvent["call"], work: Promise<T>): Promise<T> => {
    try {
      const result = await work;
      listener({ call, code: undefined });
      return result;
    } catch (error) {
      listener({ call, code: isLuksmithError(error) ? error.code : "InternalError" });
      throw error;
    }
  };
  const list = keys.list?.bind(keys);
  const scope = keys.scope?.bind(keys);
  const caller = keys.caller?.bind(keys);
  return {
    name: keys.name,
    create: (request, ctx) => told("create", keys.create(request, ctx)),
    get: (ref, ctx) => told("get", keys.get(ref, ctx)),
    delete: (ref, ctx) => told("delete", keys.delete(ref, ctx)),
    ...(list && {
      async *list(filter, ctx) {
        const secrets = list(filter, ctx)[Symbol.asyncIterator]();
        for (;;) {
          const next = await told("list", secrets.next());
          if (next.done) return;
          yield next.value;
        }
      },
    }),
    ...(scope && { scope: (ctx) => told("scope", scope(ctx)) }),
    ...(caller && { caller }),
  };
}
