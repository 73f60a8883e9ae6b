import type { Passphrase } from "@luksmith/core";
import { runTool } from "../run-tool.ts";
import { withSecretFile } from "../secret-file.ts";

/** cryptsetup's exit code for "no key available with this passphrase". */
const NO_PERMISSION = 2;

/** Whether cryptsetup opens the LUKS1 container with the passphrase. Anything but yes or "wrong passphrase" throws. */
export async function cryptsetupOpens(path: string, passphrase: Passphrase): Promise<boolean> {
  const { exitCode, stderr } = await withSecretFile(passphrase, (fd) =>
    runTool("cryptsetup", ["open", "--type", "luks1", "--test-passphrase", "--key-file", "/dev/fd/3", path], {
      fds: [fd],
      okExitCodes: [0, 1, NO_PERMISSION],
    }),
  );
  if (exitCode === 1 && !/No usable keyslot/.test(stderr)) throw new Error(`cryptsetup ${path}: ${stderr}`);
  return exitCode === 0;
}

/** What `cryptsetup luksDump` says of a container, by field. */
export async function luksDump(path: string): Promise<ReadonlyMap<string, string>> {
  const { stdout } = await runTool("cryptsetup", ["luksDump", path]);
  const fields = stdout.split("\n").flatMap((line): [string, string][] => {
    const match = /^([A-Z][^:]*):\s*(.*?)\s*$/.exec(line);
    return match?.[1] === undefined || match[2] === undefined ? [] : [[match[1].trim(), match[2]]];
  });
  return new Map(fields);
}
