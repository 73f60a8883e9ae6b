import { definePlugin, type TraitClaim, TraitReporters } from "@luksmith/core";
import * as z from "zod";

const PLACE = Symbol.for("luksmith.test.reports");

/** What was reported; in one place, however often this file is loaded. */
export function reports(): TraitClaim[] {
  const world = globalThis as { [PLACE]?: TraitClaim[] };
  return (world[PLACE] ??= []);
}

export default definePlugin({
  name: "noting-reporter",
  apiVersion: 1,
  config: z.unknown(),
  register(registrar) {
    registrar.provide(TraitReporters, () => ({
      name: "noting",
      report: async (claim: TraitClaim) => {
        reports().push(claim);
        const provider = { id: "p", name: "host" };
        return { provider, traits: claim.traits, added: [], removed: [] };
      },
    }));
  },
});
