import { rmSync } from "node:fs";
import {
  CommandFailure,
  type CommandCost,
  type MeasuredCommand,
  measureCommand,
  SECRET_PATH,
} from "../harness/command.ts";

const SECRET = ["--object", `secret,id=key,file=${SECRET_PATH}`] as const;

/**
 * QEMU's benchmark of PBKDF2 fails now and then: it divides by a CPU time that the kernel's clock still gives as zero.
 * Whoever uses the command has to try again, and so do we; a failed call is not part of the figures.
 */
const FLAKY = "Unable to get accurate CPU usage";
const ATTEMPTS = 10;

/** Counts the failures of QEMU's benchmark, for the report. */
export class QemuImg {
  calls = 0;
  failures = 0;

  /** `qemu-img create -f luks`; @param options for `-o`, none for QEMU's defaults */
  async createLuks(path: string, bytes: number, secret: Uint8Array, options = ""): Promise<CommandCost> {
    const settings = ["key-secret=key", ...(options === "" ? [] : [options])].join(",");
    const args = ["create", "-q", ...SECRET, "-f", "luks", "-o", settings, path, String(bytes)];
    for (let attempt = 1; ; attempt++) {
      this.calls++;
      try {
        return await measureCommand({ file: "qemu-img", args, secret });
      } catch (error) {
        const flaky = error instanceof CommandFailure && error.stderr.includes(FLAKY);
        if (!flaky || attempt === ATTEMPTS) throw error;
        this.failures++;
        rmSync(path, { force: true });
      }
    }
  }

  get note(): string {
    return `qemu-img create failed ${this.failures} times of ${this.calls} with "${FLAKY}"; those calls were repeated and not counted.`;
  }
}

/** `qemu-img convert -n` of a raw file into a LUKS container that is there. */
export function convertToLuks(
  source: string,
  target: string,
  secret: Uint8Array,
  options: readonly string[],
): Promise<CommandCost> {
  const luks = `driver=luks,key-secret=key,file.filename=${target}`;
  const args = ["convert", "-n", ...options, ...SECRET, "-f", "raw", "--target-image-opts", source, luks];
  return measureCommand({ file: "qemu-img", args, secret });
}

/** `qemu-io -c "read 0 512"` of a LUKS container: starts, unlocks, reads one sector. */
export function readLuksSector(path: string, secret: Uint8Array): Promise<CommandCost> {
  const luks = `driver=luks,key-secret=key,file.filename=${path}`;
  return qemuIo([...SECRET, "--image-opts", luks], { secret });
}

/** The same of a plain file: what the program costs without LUKS. */
export function readRawSector(path: string): Promise<CommandCost> {
  return qemuIo(["-f", "raw", path], {});
}

function qemuIo(args: readonly string[], rest: Pick<MeasuredCommand, "secret">): Promise<CommandCost> {
  return measureCommand({ file: "qemu-io", args: ["-r", "-c", "read 0 512", ...args], ...rest });
}
