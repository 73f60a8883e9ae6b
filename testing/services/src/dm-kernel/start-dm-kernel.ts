import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { CommandSocket } from "./command-socket.ts";
import { DmKernel, type DmKernelInfo } from "./dm-kernel.ts";
import { GuestProcess } from "./guest-process.ts";
import { kernelTree } from "./kernel-tree.ts";
import { writeShims } from "./write-shims.ts";

const WORKSPACE = resolve(import.meta.dirname, "../../../..");

/** A kernel of one's own; dispose of it with all its disks. */
export class OwnDmKernel extends DmKernel implements AsyncDisposable {
  readonly #guest: GuestProcess;
  readonly #socket: CommandSocket;
  readonly #stateDirectory: string;

  constructor(info: DmKernelInfo, guest: GuestProcess, socket: CommandSocket, stateDirectory: string) {
    super(info);
    this.#guest = guest;
    this.#socket = socket;
    this.#stateDirectory = stateDirectory;
  }

  /** Again, it does nothing. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close();
    await this.#guest.end();
    await rm(this.#stateDirectory, { recursive: true, force: true });
  }
}

/** Boots a Linux with device-mapper, as an ordinary process. If it does not come up, nothing stays. */
export async function startDmKernel(options: { readonly systemd?: boolean } = {}): Promise<OwnDmKernel> {
  const tree = await kernelTree();
  const stateDirectory = await mkdtemp(join(tmpdir(), "luksmith-dm-"));
  await using undo = new AsyncDisposableStack();
  undo.defer(() => rm(stateDirectory, { recursive: true, force: true }));
  const guest = await GuestProcess.start(tree, stateDirectory, WORKSPACE, options.systemd);
  undo.defer(() => guest.end());
  const info: DmKernelInfo = {
    socket: join(stateDirectory, "socket"),
    commandDirectory: join(stateDirectory, "bin"),
    sharedDirectory: join(stateDirectory, "control"),
    workspace: WORKSPACE,
  };
  const socket = await CommandSocket.listen(info.socket, guest.commands);
  await writeShims(info);
  undo.move();
  return new OwnDmKernel(info, guest, socket, stateDirectory);
}
