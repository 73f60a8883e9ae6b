import {
  evacuateGuest,
  type InstanceRequest,
  letGoOfEvacuated,
  type LetGoOptions,
  type MoveDocument,
} from "@luksmith/core/host";
import { type Action, path } from "./action.ts";
import { type SpawnedDocument, spawnedAgain, spawnedDocument } from "./spawned-document.ts";

export interface EvacuateInput {
  readonly document: MoveDocument;
  /** Absolute: where copies of the disks' files can be read; undefined: they are where they were. */
  readonly from: string | undefined;
  /** REQUEST.json as it came and as it was understood, where the disks are lost. */
  readonly recreate: { readonly document: unknown; readonly request: InstanceRequest } | undefined;
  readonly start: boolean;
}

export const evacuate: Action<EvacuateInput, SpawnedDocument> = {
  kind: "evacuate",
  request: ({ document, from, recreate, start }) => ({
    method: "POST",
    path: "/v1/guests/evacuate",
    body: {
      document,
      from: from ?? null,
      recreate: recreate?.document ?? null,
      start,
      source_is_down: true,
    },
  }),
  run: async (host, { document, from, recreate, start }, ctx) => {
    const options = {
      start,
      ...(from === undefined ? {} : { from }),
      ...(recreate ? { recreate: recreate.request } : {}),
    };
    return spawnedDocument(host, await evacuateGuest(host, document, options, ctx));
  },
  again: spawnedAgain,
};

export interface MovedDocument {
  readonly uuid: string;
  /** Whether it is still this host's. */
  readonly here: boolean;
}

export interface EvacuatedInput extends LetGoOptions {
  /** The instance's UUID. */
  readonly id: string;
}

export const evacuated: Action<EvacuatedInput, MovedDocument> = {
  kind: "evacuated",
  request: ({ id, keepDisks: keep_disks }) => ({
    method: "POST",
    path: path("v1", "guests", id, "evacuated"),
    body: { keep_disks },
  }),
  run: async (host, { id, keepDisks }, ctx) => {
    await letGoOfEvacuated(host, id, { keepDisks }, ctx);
    return { uuid: id, here: false };
  },
  again: (_host, { subject }) => ({ uuid: subject, here: false }),
};
