import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import type { GuestCommands } from "./guest-commands.ts";
import { DISK_NAMES } from "./guest-process.ts";

const WAIT_MS = 20;

/** Lends volume groups, each on a disk of its own; there are as many as disks, and who comes later waits. */
export class VolumeGroups {
  readonly #commands: GuestCommands;
  readonly #free = DISK_NAMES.map((name) => `/dev/${name}`);

  constructor(commands: GuestCommands) {
    this.#commands = commands;
  }

  /**
   * @param options more for vgcreate, such as an extent size
   * @param lent called with what is lent
   * @param until ends the loan: all volumes are removed
   */
  async lend(
    options: readonly string[],
    lent: (group: { readonly name: string; readonly disk: string }) => void,
    until: AbortSignal,
  ): Promise<void> {
    let disk = this.#free.shift();
    while (disk === undefined) {
      await sleep(WAIT_MS, undefined, { signal: until });
      disk = this.#free.shift();
    }
    const name = `vg${randomUUID().slice(0, 8)}`;
    await this.#must(["vgcreate", "-q", "-y", ...options, name, disk]);
    lent({ name, disk });
    if (!until.aborted) await once(until, "abort");
    // A disk whose volumes are still open is not lent again.
    const remove = `vgremove -q -ff -y '${name}' && pvremove -q -ff -y '${disk}'`;
    const { exitCode } = await this.#commands.run({ argv: ["/bin/sh", "-c", remove] });
    if (exitCode === 0) this.#free.push(disk);
  }

  async #must(argv: readonly string[]): Promise<void> {
    const { exitCode, stderr } = await this.#commands.run({ argv });
    if (exitCode !== 0) throw new Error(`${argv.join(" ")}: ${stderr.toString()}`);
  }
}
