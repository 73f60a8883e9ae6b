import { parentPort, workerData } from "node:worker_threads";
import { loadConfig } from "../../config/index.ts";
import type { ModuleSource } from "./module-source.ts";
import type { ProbeMessage, ProbeOrder } from "./probe-in-thread.ts";
import { probePlugins, type ProbeStep } from "./probe-plugins.ts";

/** What the thread of `probeInThread` does; `modules` are found from where the program is. */
export async function answerProbe(modules: ModuleSource): Promise<void> {
  // Asserted: started by `probeInThread` only.
  const { configFiles, plugins, hung, at } = workerData as ProbeOrder;
  // A thread's port, not a window.
  // oxlint-disable-next-line unicorn/require-post-message-target-origin
  const tell = (message: ProbeMessage): void => parentPort?.postMessage(message);
  const onStep = (step: ProbeStep): void => {
    Atomics.store(at, 0, plugins.indexOf(step.plugin) + 1);
    tell(step);
  };
  const config = await loadConfig({ files: configFiles });
  const report = await probePlugins({ config, modules, plugins, hung: new Map(hung), onStep });
  tell({ report });
}
