import type { RecoveryReport } from "@luksmith/core/host";
import type { Action } from "./action.ts";

type Recovered = Omit<RecoveryReport["operations"][number], "retryable">;

export interface RecoveryDocument {
  readonly operations: readonly (Omit<Recovered, "startedAt"> & { readonly started_at: string })[];
}

/** Opening the host for writing is what recovers. */
export const recover: Action<undefined, RecoveryDocument> = {
  kind: "recover",
  request: () => ({ method: "POST", path: "/v1/recover" }),
  run: async (host) => recoveryDocument(host.recovery),
};

/** For a host that was opened long ago. */
export const recoverNow: Action<undefined, RecoveryDocument> = {
  ...recover,
  run: async (host, _input, ctx) => recoveryDocument(await host.recover(ctx)),
};

function recoveryDocument({ operations }: RecoveryReport): RecoveryDocument {
  return {
    operations: operations.map(({ operation, kind, subject, startedAt: started_at, outcome, error }) => {
      const document = { operation, kind, subject, outcome, started_at };
      return error === undefined ? document : { ...document, error };
    }),
  };
}
