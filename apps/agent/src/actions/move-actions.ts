import {
  adoptGuest,
  confirmMove,
  type MoveDocument,
  type MoveReceipt,
  offerGuest,
  offerLive,
  type OtherHost,
  revertMove,
} from "@luksmith/core/host";
import { type Action, type DaemonRequest, path } from "./action.ts";
import { type SpawnedDocument, spawnedAgain, spawnedDocument } from "./spawned-document.ts";

export interface OfferInput {
  /** The instance's UUID. */
  readonly id: string;
  /** It runs, and is to go on. */
  readonly live: boolean;
}

export interface MovingInput {
  /** The instance's UUID. */
  readonly id: string;
  /** What the other host says of it. */
  readonly receipt?: MoveReceipt | undefined;
}

export interface AdoptInput {
  readonly document: MoveDocument;
  /** Absolute: where the disks' files can be read; undefined: under the paths of the other host. */
  readonly from: string | undefined;
  readonly start: boolean;
}

export const offer: Action<OfferInput, MoveDocument> = {
  kind: "move-offer",
  request: ({ id, live }) => ({
    method: "POST",
    path: path("v1", "guests", id, "move", "offer"),
    ...(live ? { body: { live } } : {}),
  }),
  run: (host, { id, live }, ctx) => (live ? offerLive(host, id, ctx) : offerGuest(host, id, ctx)),
};

export const adopt: Action<AdoptInput, SpawnedDocument> = {
  kind: "move-adopt",
  request: ({ document, from, start }) => ({
    method: "POST",
    path: "/v1/guests/adopt",
    body: { document, from: from ?? null, start },
  }),
  run: async (host, { document, from, start }, ctx) => {
    const options = from === undefined ? { start } : { start, from };
    return spawnedDocument(host, await adoptGuest(host, document, options, ctx));
  },
  again: spawnedAgain,
};

export const confirm: Action<MovingInput, MoveReceipt> = {
  kind: "move-confirm",
  request: (input) => movingRequest("confirm", input),
  run: (host, input, ctx) => confirmMove(host, input.id, otherHost(input), ctx),
  again: (_host, { subject }) => receiptOf(subject, "removed"),
};

export const revert: Action<MovingInput, MoveReceipt> = {
  kind: "move-revert",
  request: (input) => movingRequest("revert", input),
  run: (host, input, ctx) => revertMove(host, input.id, otherHost(input), ctx),
};

export function movingRequest(what: string, { id, receipt }: MovingInput): DaemonRequest {
  const body = receipt ? { body: { receipt } } : {};
  return { method: "POST", path: path("v1", "guests", id, "move", what), ...body };
}

export function otherHost({ receipt }: MovingInput): OtherHost {
  return receipt ? { receipt } : {};
}

/** What an operation that has ended says. */
export function receiptOf(uuid: string, outcome: "removed" | "sent" | "dismissed"): MoveReceipt {
  return { kind: "luksmith.move-receipt", version: 1, uuid, outcome, here: false };
}
