import type { GuestKey } from "../../guest/hypervisor.ts";
import type { Erasure } from "../../image/erasure.ts";
import type { HeaderFacts } from "../../image/header-facts.ts";
import type { DiskIdentity } from "../../image/image-disk.ts";
import type { KeySlotMark } from "../../image/key-change.ts";
import type { UndoRecord } from "../../image/rollback.ts";
import type { Step } from "../../journal/journal.ts";

/** An image in the journal: its backend's name and `diskToJson`. */
export type JournaledImage = {
  readonly backend: string;
  readonly disk: DiskIdentity;
};

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
  /** A disk is about to be erased and removed; null: it was gone before. `header`: as it was then. */
  | {
      readonly kind: "remove";
      readonly data: JournaledImage & {
        readonly identity: DiskIdentity | null;
        readonly header?: HeaderFacts;
      };
    }
  /** A disk or snapshot was erased, and nothing opens it any more; it is about to be removed. For its receipt. */
  | { readonly kind: "erased"; readonly data: { readonly uuid: string; readonly erasure: Erasure } }
  /**
   * A disk is about to be erased and removed (null: it was gone before), and then one that waits beside it to get its
   * name.
   */
  | {
      readonly kind: "replace";
      readonly data: {
        readonly old: JournaledImage & { readonly identity: DiskIdentity | null };
        readonly waiting: JournaledImage & { readonly identity: DiskIdentity };
        readonly name: string;
      };
    }
  /** A guest has arrived from elsewhere and is this host's; the steps after this one go forward. */
  | { readonly kind: "arrived"; readonly data: Record<string, never> }
  /** A snapshot's file is about to be removed; `erase`: it has a LUKS header at its beginning. */
  | {
      readonly kind: "remove-file";
      readonly data: {
        readonly path: string;
        readonly identity: DiskIdentity;
        readonly erase: boolean;
        /** The snapshot's; absent for a document. */
        readonly uuid?: string;
        readonly secretId?: string;
      };
    }
  /** A copy of a disk in a file, under the disk's own passphrase, is about to be erased and removed. */
  | {
      readonly kind: "remove-copy";
      readonly data: JournaledImage & { readonly path: string; readonly identity: DiskIdentity };
    }
  /** The directory of an instance that has left is about to be removed, if it is empty still. */
  | { readonly kind: "remove-directory"; readonly data: { readonly path: string } }
  /** A disk's old key slot is about to be taken away; `disk` has the new secret by now. */
  | { readonly kind: "drop-key"; readonly data: JournaledImage & { readonly mark: KeySlotMark } }
  /** A disk is about to get another name, if it has not got it yet. */
  | {
      readonly kind: "rename";
      readonly data: JournaledImage & { readonly identity: DiskIdentity; readonly to: string };
    }
  /** A disk is about to be proven, and to take the place in the inventory of the one that had its UUID. */
  | { readonly kind: "take-place"; readonly data: JournaledImage & { readonly identity: DiskIdentity } }
  /** A guest is about to be made known to the hypervisor, with these keys, and perhaps started; it was not there before. */
  | { readonly kind: "guest"; readonly data: { readonly uuid: string; readonly keys: readonly GuestKey[] } }
  /** A guest is about to be ended and forgotten by the hypervisor, before its disks go. */
  | { readonly kind: "end-guest"; readonly data: { readonly uuid: string } }
  /** A guest is about to be ended, and perhaps started from other disks; what ends or undoes that, ends it. */
  | { readonly kind: "power"; readonly data: { readonly uuid: string } }
  /** The hypervisor is about to copy a disk of a running guest. */
  | { readonly kind: "copy-job"; readonly data: { readonly uuid: string; readonly device: string } }
  /** Keys are about to be taken from the hypervisor, after their disks; to be given for a while, and then taken. */
  | { readonly kind: "take-keys"; readonly data: { readonly keys: readonly GuestKey[] } }
  /** This host's own copy of a secret is about to be deleted, and the secret not; to be made, and then deleted. */
  | { readonly kind: "forget-copy"; readonly data: { readonly id: string } }
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
