import { adoptGuest, confirmMove, type MoveDocument, offerGuest, revertMove } from "@luksmith/core/host";
import { type Action, path } from "./action.ts";
import { type SpawnedDocument, spawnedAgain, spawnedDocument } from "./spawned-document.ts";

interface MovingInput {
  /** The instance's UUID. */
  readonly id: string;
}

export interface AdoptInput {
  readonly document: MoveDocument;
  /** Absolute: where the disks' files can be read; undefined: under the paths of the other host. */
  readonly from: string | undefined;
  readonly start: boolean;
}

export interface MovedDocument {
  readonly uuid: string;
  /** Whether it is still this host's. */
  readonly here: boolean;
}

export const offer: Action<MovingInput, MoveDocument> = {
  kind: "move-offer",
  request: ({ id }) => ({ method: "POST", path: path("v1", "guests", id, "move", "offer") }),
  run: (host, { id }, ctx) => offerGuest(host, id, ctx),
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

export const confirm: Action<MovingInput, MovedDocument> = {
  kind: "move-confirm",
  request: ({ id }) => ({ method: "POST", path: path("v1", "guests", id, "move", "confirm") }),
  run: async (host, { id }, ctx) => {
    await confirmMove(host, id, ctx);
    return { uuid: id, here: false };
  },
  again: (_host, { subject }) => ({ uuid: subject, here: false }),
};

export const revert: Action<MovingInput, MovedDocument> = {
  kind: "move-revert",
  request: ({ id }) => ({ method: "POST", path: path("v1", "guests", id, "move", "revert") }),
  run: async (host, { id }) => {
    await revertMove(host, id);
    return { uuid: id, here: true };
  },
};
