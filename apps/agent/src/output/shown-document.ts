import { findInstance, type ReadableHost, type Tombstone, tombstones } from "@luksmith/core/host";
import { type WholeInstanceDocument, wholeInstanceDocument } from "../actions/create.ts";

/** An instance as `show` gives it. */
export interface ShownDocument extends WholeInstanceDocument {
  /** What could not be ended, and is tried again until it is done. */
  readonly unfinished: readonly Tombstone[];
}

export async function shownDocument(host: ReadableHost, id: string): Promise<ShownDocument> {
  const unfinished = tombstones(host).filter(({ subject }) => subject === id);
  return { ...wholeInstanceDocument(await findInstance(host, id), host.config), unfinished };
}
