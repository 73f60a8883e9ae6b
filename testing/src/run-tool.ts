import { execa } from "execa";

export interface ToolResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ToolOptions {
  /** Descriptors that the tool inherits as 3, 4, … */
  readonly fds?: readonly number[];
  readonly okExitCodes?: readonly number[];
}

/** Runs an external program by name; one that is missing or fails makes the test fail. */
export async function runTool(
  file: string,
  args: readonly string[],
  { fds = [], okExitCodes = [0] }: ToolOptions = {},
): Promise<ToolResult> {
  const result = await execa(file, args, {
    // execa passes descriptor numbers on, but its types know them for the first three only.
    stdio: ["ignore", "pipe", "pipe", ...(fds as readonly never[])],
    env: { PATH: `${process.env["PATH"] ?? "/usr/bin:/bin"}:/usr/sbin:/sbin`, LC_ALL: "C" },
    extendEnv: false,
    reject: false,
  });
  if (result.exitCode === undefined) throw new Error(`${file} did not run: ${result.shortMessage}`);
  const { exitCode, stdout, stderr } = result;
  if (!okExitCodes.includes(exitCode)) {
    throw new Error(`${file} ${args.join(" ")} exited with ${exitCode}: ${stdout}${stderr}`);
  }
  return { exitCode, stdout, stderr };
}
