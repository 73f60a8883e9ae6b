import { type Command, Option } from "commander";
import { instanceArgument, lowerCase, requestOption, timeoutOption } from "./arguments.ts";
import type { Dispatch } from "./dispatch.ts";
import type { RebuildCommand } from "./rebuild.ts";
import type { SpawnCommand } from "./spawn.ts";

interface StopCommand {
  readonly hard?: boolean;
  readonly timeout: number;
}

interface RescueCommand {
  readonly image: string;
  readonly format?: "raw" | "qcow2";
  readonly timeout: number;
}

/** spawn, start, stop, reboot, rebuild, rescue, unrescue, resume-guests */
export function addGuestCommands(program: Command, dispatch: Dispatch): void {
  program
    .command("spawn")
    .description("make the disks of an instance and a guest that uses them, and start it")
    .addOption(requestOption())
    .option("--domain-xml <FILE>", "put the disks into this domain of libvirt's, instead of a plain one")
    .option("--no-start", "leave the guest off")
    .action((options: SpawnCommand) =>
      dispatch(async (session) => (await import("./spawn.ts")).spawn(session, options)),
    );
  program
    .command("start")
    .description("start a guest, with its keys; one that runs gets keys that libvirt has forgotten")
    .addArgument(instanceArgument())
    .action((id: string) => dispatch(async (session) => (await import("./start.ts")).start(session, id)));
  program
    .command("stop")
    .description("ask a guest to shut down, and end it if it does not obey; disks and keys stay")
    .addArgument(instanceArgument())
    .addOption(timeoutOption().conflicts("hard"))
    .option("--hard", "end it at once, as if the power failed")
    .action((id: string, { hard, timeout }: StopCommand) =>
      dispatch(async (session) => (await import("./stop.ts")).stop(session, id, hard ? 0 : timeout * 1000)),
    );
  program
    .command("reboot")
    .description("ask a guest to reboot")
    .addArgument(instanceArgument())
    .option("--hard", "end it as if the power failed, and start it with keys and disks as they are now")
    .action((id: string, { hard }: { hard?: boolean }) =>
      dispatch(async (session) => (await import("./reboot.ts")).reboot(session, id, hard ?? false)),
    );
  program
    .command("rebuild")
    .description("make an instance's disks anew from a request; UUIDs and passphrases stay, content goes")
    .addOption(requestOption())
    .addOption(timeoutOption())
    .action((options: RebuildCommand) =>
      dispatch(async (session) => (await import("./rebuild.ts")).rebuild(session, options)),
    );
  program
    .command("rescue")
    .description("boot a guest from another image, with its own root disk behind it")
    .addArgument(instanceArgument())
    .requiredOption("--image <ID>", "UUID of the image", lowerCase)
    .addOption(
      new Option(
        "--format <FORMAT>",
        "what the image is declared to be, if the image service does not say",
      ).choices(["raw", "qcow2"]),
    )
    .addOption(timeoutOption())
    .action((id: string, { image, format, timeout }: RescueCommand) =>
      dispatch(async (session) =>
        (await import("./rescue.ts")).rescue(session, { id, image, format, timeoutMs: timeout * 1000 }),
      ),
    );
  program
    .command("unrescue")
    .description("end a rescue: remove the rescue disk, and start the guest from its own")
    .addArgument(instanceArgument())
    .action((id: string) => dispatch(async (session) => (await import("./rescue.ts")).unrescue(session, id)));
  program
    .command("resume-guests")
    .description(
      "start all guests that should run, after a reboot of the host, and give libvirt keys it has forgotten",
    )
    .action(() => dispatch(async (session) => (await import("./resume-guests.ts")).resumeGuests(session)));
}
