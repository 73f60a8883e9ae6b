import type { FileHandle } from "node:fs/promises";
import type { CommandRunner } from "../command/command-runner.ts";
import { isLuksmithError, LuksmithError } from "../errors/luksmith-error.ts";
import type { OpContext } from "../image/op-context.ts";
import type { ImageFile } from "./image-service.ts";

/** More than any honest image needs; an attack on qemu-img's parsers ends here. */
const ADDRESS_SPACE_BYTES = 4 * 1024 ** 3;

const SAYS_FULL = /No space left|Disk quota exceeded|File too large/;

/**
 * Converts an inspected image into an empty file, sparse. qemu-img gets both as inherited descriptors, the very file
 * that was inspected, and is told drivers and protocol: nothing in the image can name another file or a network address,
 * and a qemu-img that outlives us cannot make the target again under its name.
 * @throws `CommandFailed`, `CommandTimedOut`, `NoSpace`, `Cancelled`
 */
export async function convertToRaw(
  image: ImageFile,
  target: FileHandle,
  commands: CommandRunner,
  timeoutMs: number,
  ctx: OpContext,
): Promise<void> {
  if (image.encryption) {
    throw new LuksmithError(
      "InternalError",
      `image ${image.id} is encrypted: no plain copy of it may be made`,
    );
  }
  await target.truncate(Number(image.virtualSize));
  const source = `driver=${image.format},file.driver=file,file.filename=/dev/fd/3`;
  const output = "driver=raw,file.driver=file,file.filename=/dev/fd/4";
  const report = monotonic(image, ctx);
  report(0n);
  const command = {
    file: "qemu-img",
    args: ["convert", "-p", "-n", "--target-is-zero", "--image-opts", source, "--target-image-opts", output],
    inheritFds: [image.fd, target.fd],
    timeoutMs,
    limits: { addressSpaceBytes: ADDRESS_SPACE_BYTES, cpuSeconds: Math.ceil(timeoutMs / 1000) },
    onStdout: (text: string): void => {
      const percent = /\((\d+(?:\.\d+)?)\/100%\)[^(]*$/.exec(text)?.[1];
      if (percent) report((image.virtualSize * BigInt(Math.round(Number(percent) * 100))) / 10_000n);
    },
  };
  await commands.run(command, ctx).catch((error: unknown) => {
    throw conversionError(error, image.id);
  });
  report(image.virtualSize);
}

/** Reports bytes, never fewer than before. */
function monotonic({ id, virtualSize }: ImageFile, ctx: OpContext): (bytes: bigint) => void {
  let most = -1n;
  return (bytes) => {
    const doneBytes = bytes < virtualSize ? bytes : virtualSize;
    if (doneBytes <= most) return;
    most = doneBytes;
    ctx.progress?.({ step: `convert image ${id}`, doneBytes, totalBytes: virtualSize });
  };
}

function conversionError(error: unknown, id: string): unknown {
  if (!isLuksmithError(error) || error.code !== "CommandFailed" || !SAYS_FULL.test(error.message))
    return error;
  return new LuksmithError(
    "NoSpace",
    `converting image ${id} ran out of space; free space or raise the quota, then try again; what was begun was given back`,
    { cause: error, details: { imageId: id } },
  );
}
