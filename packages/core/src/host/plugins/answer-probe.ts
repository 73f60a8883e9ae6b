import { parentPort, workerData } from "node:worker_threads";
import { loadConfig } from "../../config/index.ts";
import type { ModuleSource } from "./module-source.ts";
import type { ProbeMessage, ProbeOrder } from "./probe-in-thread.ts";
import { probePlugins } from "./probe-plugins.ts";

/** What the thread of `probeInThread` does; `modules` are found from where the program is. */
export async function answerProbe(modules: ModuleSource): Promise<void> {
  // Asserted: started by `probeInThread` only.
  const { configFiles, plugins, hung } = workerData as ProbeOrder;
  // A thread's port, not a window.
  // oxlint-disable-next-line unicorn/require-post-message-target-origin
  const tell = (message: ProbeMessage): void => parentPort?.postMessage(message);
  const config = await loadConfig({ files: configFiles });
  const report = await probePlugins({ config, modules, plugins, hung: new Map(hung), onStep: tell });
  tell({ report });
}
