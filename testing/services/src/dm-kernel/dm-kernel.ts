import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";
import type { Answered, Asked } from "./command-socket.ts";
import type { GuestCommand, GuestResult } from "./guest-commands.ts";

/** What another process needs to know to use the kernel; JSON. */
export interface DmKernelInfo {
  readonly socket: string;
  readonly commandDirectory: string;
  readonly sharedDirectory: string;
  readonly workspace: string;
}

/** A volume group with a disk of its own, 4 GiB. Disposal removes it with all its volumes. */
export interface LentVolumeGroup extends AsyncDisposable {
  readonly name: string;
  /** The physical volume: `/dev/ubda`. */
  readonly disk: string;
}

/** A Linux with device-mapper (LVM, thin pools, dm-crypt, loop devices), beside the machine's own kernel. One processor. */
export class DmKernel {
  readonly info: DmKernelInfo;

  constructor(info: DmKernelInfo) {
    this.info = info;
  }

  /** For PATH: `lvs`, `lvcreate`, `cryptsetup`, `dmsetup` and so on, which run in the guest. */
  get commandDirectory(): string {
    return this.info.commandDirectory;
  }

  /** Has the same name, and the same files, on both sides. The guest cannot use O_DIRECT there. */
  get sharedDirectory(): string {
    return this.info.sharedDirectory;
  }

  /** Runs a program in the guest to its end; any exit code is a result. */
  async run(argv: readonly string[], options: Omit<GuestCommand, "argv"> = {}): Promise<GuestResult> {
    return await runInGuest(this.info.socket, { argv, ...options });
  }

  /**
   * As `run`, for what must succeed.
   * @returns its output
   */
  async must(argv: readonly string[], options: Omit<GuestCommand, "argv"> = {}): Promise<string> {
    const { exitCode, stdout, stderr } = await this.run(argv, options);
    if (exitCode === 0) return stdout.toString();
    throw new Error(`${argv.join(" ")} exited with ${exitCode}: ${stderr.toString()}${stdout.toString()}`);
  }

  /** @param options more for vgcreate, such as `--physicalextentsize=1M` */
  async volumeGroup(options: readonly string[] = []): Promise<LentVolumeGroup> {
    const { socket, answer } = await ask(this.info.socket, { volumeGroup: { options } });
    const { name, disk } = answer as { readonly name: string; readonly disk: string };
    return {
      name,
      disk,
      [Symbol.asyncDispose]: async () => {
        const closed = once(socket, "close");
        socket.end();
        await closed;
      },
    };
  }
}

/** For programs that know no more than the socket. */
export async function runInGuest(path: string, command: GuestCommand): Promise<GuestResult> {
  const { stdin = Buffer.alloc(0), ...rest } = command;
  const run = { ...rest, stdin: Buffer.from(stdin).toString("base64") };
  const { socket, answer } = await ask(path, { run });
  socket.destroy();
  const { exitCode, stdout, stderr } = answer as { exitCode: number; stdout: string; stderr: string };
  return { exitCode, stdout: Buffer.from(stdout, "base64"), stderr: Buffer.from(stderr, "base64") };
}

async function ask(path: string, asked: Asked): Promise<{ socket: Socket; answer: Answered }> {
  const socket = connect(path);
  try {
    await once(socket, "connect");
    socket.write(`${JSON.stringify(asked)}\n`);
    const lines = createInterface({ input: socket });
    const line = await new Promise<string>((resolve, reject) => {
      lines.once("line", resolve);
      lines.once("close", () => reject(new Error("the device-mapper kernel has ended")));
    });
    const answer = JSON.parse(line) as Answered;
    if ("error" in answer) throw new Error(`device-mapper kernel: ${answer.error}`);
    // Nobody reads any more, and only who reads hears of the end.
    socket.resume();
    return { socket, answer };
  } catch (error) {
    socket.destroy();
    throw error;
  }
}
