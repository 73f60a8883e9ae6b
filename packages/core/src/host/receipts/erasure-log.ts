import type { Erasure } from "../../image/erasure.ts";
import type { Operation, Step } from "../../journal/journal.ts";
import { readStep, sagaStep } from "../operations/steps.ts";

/** What an operation has erased, in its journal: a receipt can be written after a crash, too, when nothing is there to look at. */
export class ErasureLog {
  readonly #operation: Operation;
  readonly #erased = new Map<string, Erasure>();
  readonly #wanted: boolean;

  /** @param wanted whether there will be receipts; else nothing is noted */
  constructor(operation: Operation, wanted: boolean) {
    this.#operation = operation;
    this.#wanted = wanted;
    for (const step of operation.steps) this.#read(step);
  }

  /** For `Image.remove`: notes the first erasure of a disk, durably. Undefined: there will be no receipts. */
  recorder(uuid: string): ((erasure: Erasure) => void) | undefined {
    if (!this.#wanted) return undefined;
    return (erasure) => {
      // A second one, after a crash, found an erased disk, and tells less.
      if (this.#erased.has(uuid)) return;
      this.#operation.intend(sagaStep({ kind: "erased", data: { uuid, erasure } }));
      this.#erased.set(uuid, erasure);
    };
  }

  of(uuid: string): Erasure | undefined {
    return this.#erased.get(uuid);
  }

  #read(step: Step): void {
    const saga = readStep(step);
    if (saga.kind === "erased") this.#erased.set(saga.data.uuid, saga.data.erasure);
  }
}
