import { execFileSync } from "node:child_process";
import { closeSync, ftruncateSync, mkdirSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** mkfs.xfs makes none that is smaller. */
const XFS_BYTES = 320 * 1024 * 1024;
const BTRFS_BYTES = 160 * 1024 * 1024;

export interface Storage extends Disposable {
  /** On a file system with reflinks. */
  readonly directory: string;
}

type Kind = "xfs" | "btrfs";

/**
 * A new file system with reflinks, mounted from a file: needs root and loop devices. Or a string that says why there is
 * none; where REFLINK_TESTS=required that is an error.
 */
export function reflinkStorage(kind: Kind): Storage | string {
  const given = process.env["REFLINK_DIRECTORY"];
  try {
    return given === undefined ? mountStorage(kind) : folderIn(given);
  } catch (error) {
    if (process.env["REFLINK_TESTS"] === "required") throw error;
    return `no ${kind} can be mounted here: ${error instanceof Error ? error.message : String(error)}`;
  }
}

function folderIn(parent: string): Storage {
  const directory = mkdtempSync(join(parent, "luksmith-reflink-"));
  return { directory, [Symbol.dispose]: () => rmSync(directory, { recursive: true }) };
}

function mountStorage(kind: Kind): Storage {
  using undo = new DisposableStack();
  const root = mkdtempSync(join(tmpdir(), "luksmith-reflink-"));
  undo.defer(() => rmSync(root, { recursive: true }));
  const [image, directory] = [join(root, "image"), join(root, "mounted")];
  mkdirSync(directory);
  const fd = openSync(image, "w");
  ftruncateSync(fd, kind === "xfs" ? XFS_BYTES : BTRFS_BYTES);
  closeSync(fd);
  const path = { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` };
  const run = (file: string, ...args: string[]): void => {
    execFileSync(file, args, { stdio: ["ignore", "ignore", "pipe"], env: path });
  };
  run(`mkfs.${kind}`, "-q", image);
  run("mount", "-o", "loop", image, directory);
  undo.defer(() => run("umount", directory));
  const keep = undo.move();
  return { directory, [Symbol.dispose]: () => keep.dispose() };
}

/** A folder of its own in a storage. */
export function folderOf({ directory }: Storage): string {
  return mkdtempSync(join(directory, "test-"));
}
