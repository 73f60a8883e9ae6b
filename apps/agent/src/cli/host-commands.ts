import { Argument, type Command } from "commander";
import type { Dispatch } from "./dispatch.ts";

/** serve, recover, doctor, gc, config, plugins, completion */
export function addHostCommands(program: Command, dispatch: Dispatch): void {
  program
    .command("serve")
    .description("run the daemon on its unix socket until it is told to stop")
    .action(() => dispatch(async (session) => (await import("./serve.ts")).serve(session)));
  program
    .command("recover")
    .description(
      "end what an earlier process left unfinished; exit code 65 when something could not be ended",
    )
    .action(() => dispatch(async (session) => (await import("./recover.ts")).recover(session)));
  program
    .command("doctor")
    .description(
      "look at everything that keeps disks from being made, opened and erased, or lets keys out; exit code 1: warnings, 2: errors",
    )
    .option("--look-only", "make no secret and no disk to try it out")
    .option("--only <ID...>", "only these checks")
    .action(({ lookOnly = false, only = [] }: { lookOnly?: boolean; only?: readonly string[] }) =>
      dispatch(async (session) => (await import("./doctor.ts")).doctor(session, { lookOnly, only })),
    );
  program
    .command("gc")
    .description(
      "find disks, secrets, copies and keys that do not fit together; changes nothing without --apply",
    )
    .option("--apply", "remove what is proven to be a leftover of this host")
    .option("--grace <SECONDS>", "leave alone what is younger", "86400")
    .action((options: { apply?: boolean; grace: string }) =>
      dispatch(async (session) =>
        (await import("./gc.ts")).gc(session, { apply: options.apply ?? false, grace: options.grace }),
      ),
    );
  program
    .command("config")
    .description("look at the configuration")
    .command("show")
    .description("print the values in effect and where each comes from")
    .action(() => dispatch(async (session) => (await import("./config-show.ts")).configShow(session)));
  const plugins = program.command("plugins").description("look at the plugins");
  plugins
    .command("list")
    .description("load the configured plugins and print what they provide")
    .action(() => dispatch(async (session) => (await import("./plugins-list.ts")).pluginsList(session)));
  plugins
    .command("check")
    .description(
      "load each plugin in a thread of its own and say what is wrong with it; exit code 78 if anything is",
    )
    .addArgument(
      new Argument("[NAME]", "one plugin, as [luksmith] plugins names it or could; default: all of them"),
    )
    .action((name: string | undefined) =>
      dispatch(async (session) => (await import("./plugins-check.ts")).pluginsCheck(session, name)),
    );
  program
    .command("completion")
    .description("print a completion script for a shell")
    .addArgument(new Argument("<SHELL>", "the shell").choices(["bash", "zsh", "fish"]))
    .action((shell: "bash" | "zsh" | "fish") =>
      dispatch(async (session) => (await import("./completion.ts")).completion(session, shell, program)),
    );
}
