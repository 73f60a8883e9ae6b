import type { TraitReporter } from "@luksmith/core";
import type { PlacementConfig } from "./config.ts";
import type { PlacementReporter } from "./placement-reporter.ts";

/** Loads HTTP and everything behind it at the first report: most commands of a host that has this plugin make none. */
export function lazyReporter(config: PlacementConfig): TraitReporter & AsyncDisposable {
  let opened: Promise<PlacementReporter> | undefined;
  const open = (): Promise<PlacementReporter> =>
    (opened ??= import("./open-reporter.ts").then(({ openReporter }) => openReporter(config)));
  return {
    name: "placement",
    report: async (claim, ctx) => (await open()).report(claim, ctx),
    show: async (ctx) => (await open()).show(ctx),
    createProvider: async (ctx) => (await open()).createProvider(ctx),
    [Symbol.asyncDispose]: async () => (await opened?.catch(() => undefined))?.[Symbol.dispose](),
  };
}
