import { randomUUID } from "node:crypto";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Command, Passphrase } from "@luksmith/core";
import { hostCommands } from "@luksmith/core/host";
import type { DiskOracle, SnapshotOracle } from "../image-backend/image-backend-fixture.ts";
import { testContext } from "../test-context.ts";

/** Of cryptsetup: no key available with this passphrase. */
const REFUSED = 2;
/** It tells that by 1 and a message when no key slot is in use at all. */
const FAILED = 1;

/** How cryptsetup and QEMU see disks in files (also block devices) that are raw LUKS containers. */
export interface FileOracle {
  /** For `ImageBackendFixture.oracle`. */
  readonly oracle: DiskOracle;
  /** For `ImageBackendFixture.snapshots`. */
  readonly readSnapshot: SnapshotOracle["read"];
}

/**
 * An oracle that shares no code with Luksmith: cryptsetup and QEMU, given the disk at `Image.path`. Needs `cryptsetup`,
 * `qemu-img` and `qemu-io`.
 * @param scratch a directory of the test's own, for bytes on their way between programs
 */
export function fileOracle(scratch: string): FileOracle {
  const commands = hostCommands();
  const run = (command: Command) => commands.run(command, testContext());

  const decrypt = async (disk: QemuDisk): Promise<Uint8Array> => {
    const plain = join(scratch, randomUUID());
    await run(
      withSecret("qemu-img", ["convert", ...imageOptions(disk), "-O", "raw", plain], disk.passphrase),
    );
    const bytes = await readFile(plain);
    await rm(plain);
    return bytes;
  };

  const qemuOpens = async (path: string, passphrase: Passphrase): Promise<boolean> => {
    // Not `qemu-img info`, which does not unlock.
    const args = ["-r", ...imageOptions({ path, format: "raw", passphrase }), "-c", "read 0 512"];
    const result = await run({ ...withSecret("qemu-io", args, passphrase), okExitCodes: [0, 1] });
    const output = result.stdout + result.stderr;
    if (/^read 512\/512 bytes/m.test(output)) return true;
    if (/Invalid password/.test(output)) return false;
    throw new Error(`qemu-io ${path}: ${output}`);
  };

  const cryptsetupOpens = async (path: string, passphrase: Passphrase): Promise<boolean> => {
    const args = ["open", "--type", "luks1", "--test-passphrase", "--key-file", "/dev/fd/3", path];
    const command = { ...withSecret("cryptsetup", args, passphrase), okExitCodes: [0, FAILED, REFUSED] };
    const { exitCode, stderr } = await run(command);
    if (exitCode === FAILED && !/No usable keyslot/.test(stderr)) throw new Error(`cryptsetup: ${stderr}`);
    return exitCode === 0;
  };

  return {
    oracle: {
      opens: async ({ path }, passphrase) => {
        const seen = [await cryptsetupOpens(path, passphrase), await qemuOpens(path, passphrase)];
        if (seen[0] !== seen[1])
          throw new Error(`cryptsetup and QEMU disagree about ${path}: ${seen.join()}`);
        return seen[0] === true;
      },
      read: ({ path }, passphrase) => decrypt({ path, format: "raw", passphrase }),
      write: async ({ path }, passphrase, offset, bytes) => {
        const pattern = join(scratch, randomUUID());
        await writeFile(pattern, bytes);
        const write = ["-c", `write -s ${pattern} ${offset} ${bytes.length}`];
        const args = [...imageOptions({ path, format: "raw", passphrase }), ...write];
        const { stdout, stderr } = await run(withSecret("qemu-io", args, passphrase));
        // It ends with 0 when a write fails.
        if (/fail/i.test(stdout + stderr)) throw new Error(`qemu-io ${path}: ${stdout}${stderr}`);
        await rm(pattern);
      },
    },
    readSnapshot: (path, format, passphrase) => decrypt({ path, format, passphrase }),
  };
}

interface QemuDisk {
  readonly path: string;
  readonly format: "raw" | "qcow2";
  readonly passphrase: Passphrase | undefined;
}

/** Nothing is probed; a passphrase is descriptor 3. */
function imageOptions({ path, format, passphrase }: QemuDisk): readonly string[] {
  const file = `file.driver=file,file.filename=${path.replaceAll(",", ",,")}`;
  if (!passphrase) return ["--image-opts", `driver=${format},${file}`];
  const secret = ["--object", "secret,id=sec0,file=/dev/fd/3", "--image-opts"];
  if (format === "raw") return [...secret, `driver=luks,key-secret=sec0,${file}`];
  return [...secret, `driver=qcow2,encrypt.key-secret=sec0,${file}`];
}

function withSecret(file: string, args: readonly string[], passphrase: Passphrase | undefined): Command {
  return { file, args, ...(passphrase ? { secretFds: [passphrase] } : {}) };
}
