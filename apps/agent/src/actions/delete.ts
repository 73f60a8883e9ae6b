import { deleteById, type DeleteOptions } from "@luksmith/core/host";
import { type Action, path } from "./action.ts";

export interface DeleteInput extends DeleteOptions {
  readonly id: string;
}

export interface DeletedDocument {
  readonly uuid: string;
  readonly kind: "instance" | "snapshot";
}

export const deleteAction: Action<DeleteInput, DeletedDocument> = {
  kind: "delete",
  request: ({ id, forgetMissing }) => ({
    method: "DELETE",
    path: `${path("v1", "instances", id)}${forgetMissing ? "?forget_missing=true" : ""}`,
  }),
  run: (host, { id, forgetMissing }, ctx) => deleteById(host, id, { forgetMissing }, ctx),
  again: (_host, { subject, operations }) => {
    const kinds = operations.map(({ kind }) => kind);
    return { uuid: subject, kind: kinds.includes("delete-snapshot") ? "snapshot" : "instance" };
  },
};
