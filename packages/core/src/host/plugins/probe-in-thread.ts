import { Worker } from "node:worker_threads";
import { LuksmithError } from "../../errors/luksmith-error.ts";
import type { PluginReport, ReportedError } from "./plugin-report.ts";
import type { ProbeStep } from "./probe-plugins.ts";

/** What the thread is started with. */
export interface ProbeOrder {
  readonly configFiles: readonly string[];
  readonly plugins: readonly string[];
  readonly hung: readonly (readonly [plugin: string, error: ReportedError])[];
  /** Which of the plugins is looked at, from 1. Shared: a message may be lost when a plugin ends the thread. */
  readonly at: Int32Array<SharedArrayBuffer>;
}

export type ProbeMessage = ProbeStep | { readonly report: PluginReport };

export interface ThreadedProbe {
  /** The module that answers a `ProbeOrder`. */
  readonly entry: URL;
  readonly configFiles: readonly string[];
  readonly plugins: readonly string[];
  /** `[luksmith] plugin_timeout`. */
  readonly timeoutMs: number;
}

/**
 * Looks at plugins in a thread of their own, so that one that never comes back, or ends the process, is only a line in
 * the report.
 */
export async function probeInThread(probe: ThreadedProbe): Promise<PluginReport> {
  const hung = new Map<string, ReportedError>();
  for (;;) {
    const outcome = await attempt(probe, [...hung]);
    if ("report" in outcome) return outcome.report;
    // A plugin is given up once; the loop ends after as many rounds as there are plugins.
    if (hung.has(outcome.plugin)) throw new LuksmithError("InternalError", outcome.message);
    hung.set(outcome.plugin, { code: "PluginNotLoadable", message: outcome.message });
  }
}

type Outcome = { readonly report: PluginReport } | { readonly plugin: string; readonly message: string };

/** Time for the thread to say itself that a plugin took too long. */
const GRACE_MS = 2000;
/** How many of the host's own limits fit into a step. */
const LIMITS = { import: 1, configure: 3, make: 10 } as const;

function attempt(
  { entry, configFiles, plugins, timeoutMs }: ThreadedProbe,
  hung: ProbeOrder["hung"],
): Promise<Outcome> {
  const at = new Int32Array(new SharedArrayBuffer(4));
  const order: ProbeOrder = { configFiles, plugins, hung, at };
  const worker = new Worker(entry, { name: "plugins", workerData: order });
  let timer: NodeJS.Timeout | undefined;
  return new Promise<Outcome>((resolve, reject) => {
    const blame = (what: string): void => {
      const plugin = plugins[Atomics.load(at, 0) - 1];
      if (plugin === undefined) reject(new LuksmithError("InternalError", `looking at plugins: ${what}`));
      else
        resolve({
          plugin,
          message: `plugin ${plugin} ${what}; take it out of [luksmith] plugins, and tell its author`,
        });
    };
    worker.on("message", (message: ProbeMessage) => {
      clearTimeout(timer);
      if ("report" in message) return resolve(message);
      const limit = timeoutMs * LIMITS[message.step] + GRACE_MS;
      timer = setTimeout(() => blame(`never comes back (${message.step}, after ${limit / 1000} s)`), limit);
    });
    worker.on("error", (error) => blame(`fails outside of any call: ${String(error)}`));
    worker.on("exit", (code) => blame(`ends the process when it is loaded (code ${code})`));
  }).finally(async () => {
    clearTimeout(timer);
    worker.removeAllListeners();
    await worker.terminate();
  });
}
