import { type Context, createContext, Script } from "node:vm";
import { LuksmithError } from "../../errors/luksmith-error.ts";

/** How long a plugin may take for each of its steps, and what it is called. */
export interface PluginLimit {
  readonly plugin: string;
  readonly timeoutMs: number;
}

const CALL = new Script("act()", { filename: "plugin" });
let scope: Context | undefined;

function tookTooLong({ plugin, timeoutMs }: PluginLimit, what: string): LuksmithError {
  return new LuksmithError(
    "PluginNotLoadable",
    `plugin ${plugin} did not end ${what} within ${timeoutMs / 1000} s; take it out of [luksmith] plugins, tell its author, or raise [luksmith] plugin_timeout`,
    { details: { plugin, step: what } },
  );
}

/**
 * Calls a function that does nothing asynchronous; one that never returns is stopped. (V8 ends what a script calls when
 * the script's time is up, wherever the function came from.)
 * @throws `PluginNotLoadable` when the time is up, else what it throws
 */
export function callWithin<T>(limit: PluginLimit, what: string, act: () => T): T {
  scope ??= createContext({});
  scope["act"] = act;
  try {
    return CALL.runInContext(scope, { timeout: limit.timeoutMs }) as T;
  } catch (error) {
    // A plugin may throw anything, null too.
    const code = (error as { readonly code?: unknown } | null | undefined)?.code;
    if (code === "ERR_SCRIPT_EXECUTION_TIMEOUT") throw tookTooLong(limit, what);
    throw error;
  } finally {
    scope["act"] = undefined;
  }
}

/** Waits for a promise that may never settle. @throws `PluginNotLoadable` when the time is up */
export async function waitWithin<T>(limit: PluginLimit, what: string, promise: Promise<T>): Promise<T> {
  // Nobody looks at it any more once the time is up.
  promise.catch(() => undefined);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    // Not unref'ed: a module that waits for nothing keeps no process alive, and must be told of nevertheless.
    timer = setTimeout(() => reject(tookTooLong(limit, what)), limit.timeoutMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
