import { type MoveDocument, type ShelveOptions, shelveGuest, unshelveGuest } from "@luksmith/core/host";
import { type Action, path } from "./action.ts";
import { type SpawnedDocument, spawnedAgain, spawnedDocument } from "./spawned-document.ts";

export interface ShelveInput extends ShelveOptions {
  readonly id: string;
}

export interface ShelvedDocument {
  readonly uuid: string;
  /** What `unshelve` takes. */
  readonly path: string;
  readonly document: MoveDocument;
}

export interface UnshelveInput {
  readonly document: MoveDocument;
  /** Absolute: where the document is, and the disks' files. */
  readonly directory: string;
  readonly start: boolean;
}

export const shelve: Action<ShelveInput, ShelvedDocument> = {
  kind: "shelve",
  request: ({ id, directory, timeoutMs: timeout_ms }) => ({
    method: "POST",
    path: path("v1", "guests", id, "shelve"),
    body: { directory, timeout_ms },
  }),
  run: async (host, { id, directory, timeoutMs }, ctx) => ({
    uuid: id,
    ...(await shelveGuest(host, id, { directory, timeoutMs }, ctx)),
  }),
};

export const unshelve: Action<UnshelveInput, SpawnedDocument> = {
  kind: "unshelve",
  request: (body) => ({ method: "POST", path: "/v1/guests/unshelve", body }),
  run: async (host, { document, directory, start }, ctx) =>
    spawnedDocument(host, await unshelveGuest(host, document, { directory, start }, ctx)),
  again: spawnedAgain,
};
