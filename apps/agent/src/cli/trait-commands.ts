import { type Command, InvalidArgumentError } from "commander";
import type { Dispatch } from "./dispatch.ts";
import type { TraitsSyncOptions } from "./traits-sync.ts";

/** traits show, traits sync */
export function addTraitCommands(program: Command, dispatch: Dispatch): void {
  const traits = program.command("traits").description("tell schedulers what this host can do");
  traits
    .command("show")
    .description("print what this host can do, and what is said of it")
    .action(() => dispatch(async (session) => (await import("./traits-show.ts")).traitsShow(session)));
  traits
    .command("sync")
    .description("report what this host can do, now or again and again")
    .option("--create-provider", "make this host known to the service where it is not")
    .option(
      "--every [SECONDS]",
      "go on until stopped; without SECONDS, at [luksmith] traits_interval",
      seconds,
    )
    .action((options: TraitsSyncOptions) =>
      dispatch(async (session) => (await import("./traits-sync.ts")).traitsSync(session, options)),
    );
}

function seconds(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= 86_400) return value;
  throw new InvalidArgumentError("must be a whole number of seconds, 1 to 86400");
}
