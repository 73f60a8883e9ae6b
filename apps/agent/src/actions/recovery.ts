import { type ExportBundle, type ExportedBundle, exportBundle } from "@luksmith/core/host";
import type { Action } from "./action.ts";

export const exportRecovery: Action<ExportBundle, ExportedBundle> = {
  kind: "recovery-export",
  request: ({ id, disk, path, recipients }) => ({
    method: "POST",
    path: "/v1/recovery/bundle",
    body: { path, ...(id ? { instance: id } : {}), ...(disk ? { disk } : {}), recipients },
  }),
  run: (host, input, ctx) => exportBundle(host, input, ctx),
};
