import * as z from "zod";
import { LuksmithError } from "../../errors/luksmith-error.ts";
import { uuid } from "../../request/schema-parts.ts";

const ReceiptSchema = z.strictObject({
  kind: z.literal("luksmith.move-receipt"),
  version: z.literal(1),
  uuid,
  /**
   * `sent`, `arrived`: the guest is the other host's, as the first and the other one have seen; `removed`: so it is, and the
   * first has nothing of it any more; `kept`: it is the first host's; `dismissed`: the other one has nothing of it.
   */
  outcome: z.enum(["sent", "arrived", "removed", "kept", "dismissed"]),
  /** Whether it is the host's that says this. */
  here: z.boolean(),
});

/** What one host has seen of a guest between two, for the other one. JSON. */
export type MoveReceipt = z.infer<typeof ReceiptSchema>;
export type MoveOutcome = MoveReceipt["outcome"];

const HERE: ReadonlySet<MoveOutcome> = new Set(["arrived", "kept"]);

export function receipt(of: string, outcome: MoveOutcome): MoveReceipt {
  return { kind: "luksmith.move-receipt", version: 1, uuid: of, outcome, here: HERE.has(outcome) };
}

/** @throws `InvalidRequest` */
export function parseReceipt(document: unknown): MoveReceipt {
  const parsed = ReceiptSchema.safeParse(document);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
  throw new LuksmithError("InvalidRequest", `this is not a receipt of a move: ${problems.join("; ")}`, {
    details: { problems },
  });
}

/** What the other host has said of this guest, if anything. */
export interface OtherHost {
  readonly receipt?: MoveReceipt;
}

/**
 * Whether the other host says so.
 * @throws `InvalidRequest`: it says something else, or of another guest
 */
export function says({ receipt: given }: OtherHost, of: string, outcome: MoveOutcome): boolean {
  if (!given) return false;
  if (given.uuid === of && given.outcome === outcome) return true;
  throw new LuksmithError(
    "InvalidRequest",
    `the receipt says that guest ${given.uuid} was ${given.outcome}, where it must say that guest ${of} was ${outcome}`,
    { details: { guest: of } },
  );
}
