import { Argument, type Command } from "commander";
import { instanceArgument, lowerCase, requestOption } from "./arguments.ts";
import type { Dispatch } from "./dispatch.ts";

/** plan, create, list, show, verify, delete */
export function addInstanceCommands(program: Command, dispatch: Dispatch): void {
  program
    .command("plan")
    .description("show what a create would make, to the byte; changes nothing")
    .addOption(requestOption())
    .action(({ file }: { file: string }) =>
      dispatch(async (session) => (await import("./plan.ts")).plan(session, file)),
    );
  program
    .command("create")
    .description("make the disks of an instance and print them with the XML for its domain")
    .addOption(requestOption())
    .action(({ file }: { file: string }) =>
      dispatch(async (session) => (await import("./create.ts")).create(session, file)),
    );
  program
    .command("list")
    .description("list the instances and snapshots of this host")
    .action(() => dispatch(async (session) => (await import("./list.ts")).list(session)));
  program
    .command("show")
    .description("show an instance with its disks and their XML")
    .addArgument(instanceArgument())
    .action((id: string) => dispatch(async (session) => (await import("./show.ts")).show(session, id)));
  program
    .command("verify")
    .description("check the disks of one instance, or of all; exit code 65 when a check fails")
    .addArgument(new Argument("[ID]", "UUID of the instance").argParser(lowerCase))
    .action((id: string | undefined) =>
      dispatch(async (session) => (await import("./verify.ts")).verify(session, id)),
    );
  program
    .command("delete")
    .description("erase and remove the disks of an instance, or a snapshot, then their passphrases")
    .argument("<ID>", "UUID of the instance or snapshot", lowerCase)
    .option(
      "--forget-missing",
      "delete passphrases also of disks that are not found, because they are gone for good",
    )
    .action((id: string, options: { forgetMissing?: boolean }) =>
      dispatch(async (session) =>
        (await import("./delete.ts")).deleteOne(session, id, {
          forgetMissing: options.forgetMissing ?? false,
        }),
      ),
    );
}
