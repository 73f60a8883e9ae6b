/*
 * What the agent calls. Each is loaded when it is called, because a command that only lists must not wait for schemas,
 * ciphers and plugins to load.
 */

function lazily<P extends readonly unknown[], R>(
  load: () => Promise<(...parameters: P) => R | Promise<R>>,
): (...parameters: P) => Promise<R> {
  return async (...parameters) => (await load())(...parameters);
}

export const parseRequest = lazily(async () => (await import("../request/parse-request.ts")).parseRequest);
export const previewCreate = lazily(
  async () => (await import("./operations/preview-create.ts")).previewCreate,
);
export const createInstance = lazily(
  async () => (await import("./operations/create-instance.ts")).createInstance,
);
export const findInstance = lazily(async () => (await import("./operations/verify-disks.ts")).findInstance);
export const verifyDisks = lazily(async () => (await import("./operations/verify-disks.ts")).verifyDisks);
export const resizeDisk = lazily(async () => (await import("./operations/resize-disk.ts")).resizeDisk);
export const flattenDisk = lazily(async () => (await import("./operations/flatten-disk.ts")).flattenDisk);
export const rebaseDisk = lazily(async () => (await import("./operations/rebase-disk.ts")).rebaseDisk);
export const rekeyDisks = lazily(async () => (await import("./operations/rekey-disks.ts")).rekeyDisks);
export const snapshotDisk = lazily(async () => (await import("./operations/snapshot-disk.ts")).snapshotDisk);
export const deleteById = lazily(async () => (await import("./operations/delete-by-id.ts")).deleteById);
export const revealSecret = lazily(async () => (await import("./operations/reveal-secret.ts")).revealSecret);
export const inspectContainer = lazily(
  async () => (await import("./operations/inspect-container.ts")).inspectContainer,
);
export const listPlugins = lazily(async () => (await import("./operations/list-plugins.ts")).listPlugins);
export const cacheList = lazily(async () => (await import("./operations/cache-list.ts")).cacheList);
export const cachePrune = lazily(async () => (await import("./operations/cache-prune.ts")).cachePrune);
export const showTraits = lazily(async () => (await import("./operations/traits.ts")).showTraits);
export const reportTraits = lazily(async () => (await import("./operations/traits.ts")).reportTraits);
export const keepTraits = lazily(async () => (await import("./operations/traits.ts")).keepTraits);
