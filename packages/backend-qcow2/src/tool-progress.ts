import type { OpContext } from "@luksmith/core";

/** Reports a step as begun; gives what reads on from `(12.34/100%)`, as qemu-img prints it with `-p`. */
export function toolProgress(step: string, totalBytes: bigint, ctx: OpContext): (text: string) => void {
  const report = (doneBytes: bigint): void => ctx.progress?.({ step, doneBytes, totalBytes });
  report(0n);
  return (text) => {
    const percent = /\((\d+(?:\.\d+)?)\/100%\)[^(]*$/.exec(text)?.[1];
    if (percent) report((totalBytes * BigInt(Math.round(Number(percent) * 100))) / 10_000n);
  };
}
