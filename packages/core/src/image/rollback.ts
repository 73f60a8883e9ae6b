/** Plain data that survives a crash. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/**
 * How a backend takes back one thing it made. Written to the journal before the thing exists, so it must name the
 * thing so precisely that carrying it out can never touch somebody else's: by a random name of this operation, or by
 * an identity read from what this operation had open. Its meaning is the backend's own.
 */
export type UndoRecord = { readonly [key: string]: Json };

/** Collects the undo of an operation in the order of doing; it is carried out in reverse. */
export interface Rollback {
  /** Durable when it resolves. */
  defer(undo: UndoRecord): Promise<void>;
}
