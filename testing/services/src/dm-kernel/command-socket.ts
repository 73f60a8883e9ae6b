import { createServer, type Server, type Socket } from "node:net";
import { createInterface } from "node:readline";
import type { GuestCommands } from "./guest-commands.ts";
import { VolumeGroups } from "./volume-groups.ts";

/** What is asked of the socket, as one line of JSON. */
export type Asked =
  | {
      readonly run: {
        readonly argv: readonly string[];
        readonly cwd?: string;
        readonly env?: Readonly<Record<string, string>>;
        /** In base64. */
        readonly stdin?: string;
      };
    }
  /** Answered at once, and held until the asker hangs up. */
  | { readonly volumeGroup: { readonly options: readonly string[] } };

export type Answered =
  | { readonly exitCode: number; readonly stdout: string; readonly stderr: string }
  | { readonly name: string; readonly disk: string }
  | { readonly error: string };

/** By which other processes use the guest: whoever hangs up is done with what was asked, also when killed. */
export class CommandSocket {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async listen(path: string, commands: GuestCommands): Promise<CommandSocket> {
    const groups = new VolumeGroups(commands);
    const server = createServer({ allowHalfOpen: true }, (socket) => void serve(socket, commands, groups));
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(path, resolve);
    });
    return new CommandSocket(server);
  }

  close(): void {
    this.#server.close();
  }
}

async function serve(socket: Socket, commands: GuestCommands, groups: VolumeGroups): Promise<void> {
  const hungUp = new AbortController();
  // The asker may be gone before there is an answer; then "close" follows.
  socket.on("error", () => {});
  for (const event of ["end", "close"]) socket.once(event, () => hungUp.abort(new Error("hung up")));
  try {
    for await (const line of createInterface({ input: socket })) {
      const asked = JSON.parse(line) as Asked;
      const answer = (what: Answered): void => void socket.write(`${JSON.stringify(what)}\n`);
      if ("run" in asked) {
        const { stdin = "", ...command } = asked.run;
        const result = await commands.run({ ...command, stdin: Buffer.from(stdin, "base64") }, hungUp.signal);
        const { exitCode, stdout, stderr } = result;
        answer({ exitCode, stdout: stdout.toString("base64"), stderr: stderr.toString("base64") });
      } else {
        await groups.lend(asked.volumeGroup.options, answer, hungUp.signal);
      }
      break;
    }
  } catch (error) {
    const said: Answered = { error: error instanceof Error ? error.message : String(error) };
    socket.write(`${JSON.stringify(said)}\n`);
  } finally {
    socket.end();
  }
}
