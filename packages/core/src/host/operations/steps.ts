import type { DiskIdentity } from "../../image/image-disk.ts";
import type { KeySlotMark } from "../../image/key-change.ts";
import type { UndoRecord } from "../../image/rollback.ts";
import type { Step } from "../../journal/journal.ts";

/** An image in the journal: its backend's name and `diskToJson`. */
export interface JournaledImage {
  readonly backend: string;
  readonly disk: DiskIdentity;
}

/** Every step that operations write, by what it does. Released kinds keep their shape: a newer version recovers them. */
export type SagaStep =
  /**
   * A secret is about to be made under a new name: whatever is found under it is this operation's. `scope`: the key
   * manager's, as which alone it can be found.
   */
  | { readonly kind: "secret"; readonly data: { readonly name: string; readonly scope?: string } }
  /** A secret was made; for key managers that cannot list. */
  | { readonly kind: "secret-made"; readonly data: { readonly id: string } }
  /** A backend is about to make something, and knows by this record how to take it back. */
  | { readonly kind: "image"; readonly data: JournaledImage & { readonly record: UndoRecord } }
  /** A disk is about to be erased and removed; null: it was gone before. */
  | { readonly kind: "remove"; readonly data: JournaledImage & { readonly identity: DiskIdentity | null } }
  /** A snapshot's file is about to be removed; `erase`: it has a LUKS header at its beginning. */
  | {
      readonly kind: "remove-file";
      readonly data: { readonly path: string; readonly identity: DiskIdentity; readonly erase: boolean };
    }
  /** A disk's old key slot is about to be taken away; `disk` has the new secret by now. */
  | { readonly kind: "drop-key"; readonly data: JournaledImage & { readonly mark: KeySlotMark } }
  /** A secret is about to be deleted, after its disk or key slot. */
  | { readonly kind: "forget"; readonly data: { readonly id: string } };

/** A step for the journal. */
export function sagaStep(step: SagaStep): Step {
  return { kind: step.kind, data: { ...step.data } };
}

/** A step from the journal, which only this program writes. */
export function readStep(step: Step): SagaStep {
  return step as SagaStep;
}
