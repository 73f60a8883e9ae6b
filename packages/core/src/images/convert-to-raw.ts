import type { CommandRunner } from "../command/command-runner.ts";
import type { OpContext } from "../image/op-context.ts";
import type { DiskFormat, ImageFile } from "./image-service.ts";

/** QEMU's drivers by Glance's names. */
const DRIVER: Readonly<Record<DiskFormat, string>> = {
  raw: "raw",
  iso: "raw",
  qcow2: "qcow2",
  vmdk: "vmdk",
  vhd: "vpc",
  vhdx: "vhdx",
};

/** More than any honest image needs; an attack on qemu-img's parsers ends here. */
const ADDRESS_SPACE_BYTES = 4 * 1024 ** 3;

/**
 * Converts an inspected image into an existing file, sparse. qemu-img is told driver and protocol, so that nothing in
 * the image can name another file or a network address.
 * @throws `CommandFailed`, `CommandTimedOut`, `NoSpace`, `Cancelled`
 */
export async function convertToRaw(
  image: ImageFile,
  target: string,
  commands: CommandRunner,
  timeoutMs: number,
  ctx: OpContext,
): Promise<void> {
  const source = `driver=${DRIVER[image.format]},file.driver=file,file.filename=${image.path.replaceAll(",", ",,")}`;
  const report = (doneBytes: bigint): void =>
    ctx.progress?.({ step: `convert image ${image.id}`, doneBytes, totalBytes: image.virtualSize });
  report(0n);
  await commands.run(
    {
      file: "qemu-img",
      args: ["convert", "-p", "--image-opts", source, "-O", "raw", target],
      timeoutMs,
      limits: { addressSpaceBytes: ADDRESS_SPACE_BYTES, cpuSeconds: Math.ceil(timeoutMs / 1000) },
      onStdout: (text) => {
        const percent = /\((\d+(?:\.\d+)?)\/100%\)[^(]*$/.exec(text)?.[1];
        if (percent) report((image.virtualSize * BigInt(Math.round(Number(percent) * 100))) / 10_000n);
      },
    },
    ctx,
  );
}
