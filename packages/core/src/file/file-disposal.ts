import type { Disposal } from "../image/image-hooks.ts";

/** What becomes of a disk or snapshot that is a file. */
export const FILE_DISPOSAL: Disposal = {
  how: "the file was unlinked and its directory synced; the file system may give its blocks to others, and tells the device only if it was mounted with discard",
  elsewhere: [
    "snapshots of the file system, and what copy-on-write, deduplication, replication or a journal of data keeps below it",
    "cells of a flash device that were replaced when they were overwritten",
  ],
};
