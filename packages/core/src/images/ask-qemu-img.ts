import type { CommandRunner } from "../command/command-runner.ts";
import { isLuksmithError, LuksmithError } from "../errors/luksmith-error.ts";
import type { OpContext } from "../image/op-context.ts";
import type { AcceptedImage } from "./inspector/index.ts";

/** Nova's limits for `qemu-img info`: enough for any honest image. */
const LIMITS = { addressSpaceBytes: 1024 ** 3, cpuSeconds: 30 };
const TIMEOUT_MS = 60_000;

/**
 * Compares what our inspection says with what `qemu-img` makes of the same bytes. It is told the driver and given an
 * open file, so that nothing in the image can name another. Raw bytes say nothing that could differ.
 * @throws `ImageFormatMismatch`, `CommandNotFound`, `CommandTimedOut`, `Cancelled`
 */
export async function askQemuImg(
  subject: string,
  { driver, virtualSize }: AcceptedImage,
  fd: number,
  commands: CommandRunner,
  ctx: OpContext,
): Promise<void> {
  if (driver === "raw") return;
  const source = `driver=${driver},file.driver=file,file.filename=/dev/fd/3`;
  const args = ["info", "--output=json", "--image-opts", source];
  const disagree = (what: string, details: Record<string, unknown>, cause?: unknown): LuksmithError =>
    new LuksmithError(
      "ImageFormatMismatch",
      `${subject} reads as ${driver} of ${virtualSize} bytes, but qemu-img ${what}; convert it again, or upload it anew`,
      { details: { driver, virtualSize: String(virtualSize), ...details }, cause },
    );
  try {
    const limits = { timeoutMs: TIMEOUT_MS, limits: LIMITS };
    const { stdout } = await commands.run({ file: "qemu-img", args, inheritFds: [fd], ...limits }, ctx);
    const theirs = parseInfo(stdout);
    if (theirs.format !== driver || theirs.virtualSize !== virtualSize) {
      const what = `says ${theirs.format} of ${theirs.virtualSize} bytes`;
      throw disagree(what, { qemuFormat: theirs.format, qemuVirtualSize: String(theirs.virtualSize) });
    }
  } catch (error) {
    if (!isLuksmithError(error) || error.code !== "CommandFailed") throw error;
    throw disagree("cannot read it", { stderr: error.details["stderr"] }, error);
  }
}

function parseInfo(stdout: string): { readonly format: string; readonly virtualSize: bigint | undefined } {
  const json: unknown = JSON.parse(stdout);
  const info = typeof json === "object" && json !== null ? json : {};
  const { format, "virtual-size": size } = info as Readonly<Record<string, unknown>>;
  return {
    format: typeof format === "string" ? format : "nothing",
    virtualSize: typeof size === "number" && Number.isSafeInteger(size) ? BigInt(size) : undefined,
  };
}
