import type { OpenOperation, OperationKind, Step } from "../../journal/journal.ts";
import type { WritableHost } from "../host.ts";

/** What changes disks that stay. */
const CHANGES: ReadonlySet<OperationKind> = new Set(["resize", "flatten", "rebase", "rekey"]);

/**
 * Changes of an instance's disks that recovery could not end. A disk that is gone for good keeps them so for ever; only
 * who says that it is gone may delete what is left.
 */
export function unfinishedChanges(host: WritableHost, instance: string): readonly OpenOperation[] {
  return host.journal.unfinished().filter(({ subject, kind }) => subject === instance && CHANGES.has(kind));
}

/** The secrets that a change made, or was about to forget: they go with the instance. */
export function keySteps({ steps }: OpenOperation): readonly Step[] {
  return steps.filter(({ kind }) => kind === "secret" || kind === "secret-made" || kind === "forget");
}
