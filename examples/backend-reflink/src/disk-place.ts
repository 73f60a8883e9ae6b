import { join } from "node:path";
import { LuksmithError } from "@luksmith/core";

/** Where a disk is. */
export interface DiskPlace {
  /** `[luksmith:backend-reflink] directory` */
  readonly directory: string;
  readonly instanceUuid: string;
  /** As in disk_info. */
  readonly name: string;
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** What the name of a file ends with that is about to become a disk or a checkpoint. */
export const LEFT = ".rollback";
const WORD = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** @throws `UsageError` for what is no name of a disk, and could lead elsewhere */
export function pathOfDisk({ directory, instanceUuid, name }: DiskPlace): string {
  if (!UUID.test(instanceUuid)) throw refused(instanceUuid, "an instance's UUID");
  if (!WORD.test(name)) throw refused(name, "a disk's name");
  return join(directory, instanceUuid, name);
}

/** No disk has an `@` in its name. */
export function pathOfCheckpoint(diskPath: string, checkpoint: string): string {
  if (!WORD.test(checkpoint)) throw refused(checkpoint, "a checkpoint's name");
  return `${diskPath}@${checkpoint}`;
}

/** Whether a name in the instance's directory is a checkpoint of a disk, or was left by a command that died. */
export function isOfDisk(diskName: string): (name: string) => boolean {
  return (name) => {
    if (name.startsWith(`${diskName}@`) || name.startsWith(`.${diskName}@`)) return true;
    // Exactly: `disk.eph0` is another disk than `disk`.
    if (!name.startsWith(`.${diskName}.`) || !name.endsWith(LEFT)) return false;
    return UUID.test(name.slice(diskName.length + 2, -LEFT.length));
  };
}

function refused(text: string, what: string): LuksmithError {
  return new LuksmithError("UsageError", `${JSON.stringify(text)} is not ${what}`);
}
