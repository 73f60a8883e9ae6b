import { type CommandRunner, hostCommands, LuksmithError, type OpContext } from "@luksmith/core/host";

/**
 * A group's number. Node cannot look groups up, so getent(1) does, which also knows those that are not in /etc/group.
 * @param name a name or a number; empty: no group
 * @throws `ConfigInvalid`
 */
export async function groupId(
  name: string,
  ctx: OpContext,
  commands: Pick<CommandRunner, "run"> = hostCommands(),
): Promise<number | undefined> {
  if (name === "") return undefined;
  if (/^\d{1,10}$/.test(name)) return Number(name);
  const command = { file: "getent", args: ["group", "--", name], okExitCodes: [0, 2], timeoutMs: 10_000 };
  const { stdout } = await commands.run(command, ctx);
  const gid = stdout.split(":")[2];
  if (gid !== undefined && /^\d+$/.test(gid)) return Number(gid);
  throw new LuksmithError(
    "ConfigInvalid",
    `[luksmith] socket_group = ${name}: there is no such group; make it with "groupadd --system ${name}"`,
    { details: { group: name } },
  );
}
