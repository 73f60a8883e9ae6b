import { rebuildInstance } from "@luksmith/core/host";
import { type Action, path } from "./action.ts";
import { type CreateInput, type WholeInstanceDocument, wholeInstanceDocument } from "./create.ts";

export interface RebuildInput extends CreateInput {
  /** How long the guest may take to shut down; 0: none. */
  readonly timeoutMs: number;
}

export const rebuild: Action<RebuildInput, WholeInstanceDocument> = {
  kind: "rebuild",
  request: ({ document, request, timeoutMs: timeout_ms }) => ({
    method: "POST",
    path: path("v1", "instances", request.server.id, "rebuild"),
    body: { request: document, timeout_ms },
  }),
  run: async (host, { request, timeoutMs }, ctx) =>
    wholeInstanceDocument(await rebuildInstance(host, request, { timeoutMs }, ctx), host.config),
  again: (host, { subject }) => {
    const instance = host.inventory.instance(subject);
    return instance && wholeInstanceDocument(instance, host.config);
  },
};
