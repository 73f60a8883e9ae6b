import type { Command } from "commander";
import type { Dispatch } from "./dispatch.ts";

/** cache list, cache prune */
export function addCacheCommands(program: Command, dispatch: Dispatch): void {
  const cache = program.command("cache").description("look after the cache of base images");
  cache
    .command("list")
    .description("list the base images of this host and the disks that stand on them")
    .action(() => dispatch(async (session) => (await import("./cache-list.ts")).list(session)));
  cache
    .command("prune")
    .description("remove base images that no disk stands on and nobody has used lately")
    .option("--dry-run", "say what would be removed, and remove nothing")
    .option("--all-unused", "remove also those that were used lately")
    .action((options: { dryRun?: boolean; allUnused?: boolean }) =>
      dispatch(async (session) =>
        (await import("./cache-prune.ts")).prune(session, {
          dryRun: options.dryRun ?? false,
          allUnused: options.allUnused ?? false,
        }),
      ),
    );
}
