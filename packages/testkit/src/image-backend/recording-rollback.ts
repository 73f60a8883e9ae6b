import { LuksmithError, type Image, type Json, type Rollback, type UndoRecord } from "@luksmith/core";
import { testContext } from "../test-context.ts";

/** Keeps undo records as the journal does, as JSON, and fails after the `failAt`-th was kept: the host died there. */
export class RecordingRollback implements Rollback {
  readonly #records: string[] = [];
  readonly #failAt: number;

  constructor(failAt = Infinity) {
    this.#failAt = failAt;
  }

  /** How many were deferred. */
  get size(): number {
    return this.#records.length;
  }

  async defer(undo: UndoRecord): Promise<void> {
    this.#records.push(JSON.stringify(undo));
    if (this.#records.length === this.#failAt) {
      throw new LuksmithError("InternalError", "the test stops here");
    }
  }

  /** Carries the records out, newest first, on an image that knows nothing but its disk. */
  async undo(image: Image): Promise<void> {
    for (const record of this.#records.toReversed()) await image.undo(parse(record), testContext());
  }
}

function parse(record: string): UndoRecord {
  return JSON.parse(record) as { readonly [key: string]: Json };
}
