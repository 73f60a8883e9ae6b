import {
  diagnose,
  type DiagnosedHost,
  guardedImport,
  type HealthReport,
  type OpContext,
} from "@luksmith/core/host";
import { pluginModules } from "../plugin-modules.ts";
import type { Action } from "./action.ts";

export interface DoctorInput {
  readonly lookOnly: boolean;
  /** Ids of checks; empty: all. */
  readonly only: readonly string[];
}

/** As `--json` prints it. */
export interface DoctorDocument {
  readonly status: HealthReport["severity"];
  readonly findings: readonly {
    readonly id: string;
    readonly severity: HealthReport["severity"];
    readonly finding: string;
    readonly fix: string | null;
  }[];
}

/** The daemon looks at its own memory, limits and rights, which are those that count. */
export const doctor: Action<DoctorInput, DoctorDocument> = {
  kind: "doctor",
  request: ({ lookOnly: look_only, only }) => ({
    method: "POST",
    path: "/v1/doctor",
    body: { look_only, only },
  }),
  run: (daemon, input, ctx) => {
    const write = (): Promise<never> => Promise.reject(new Error("the daemon has its host open"));
    const importModule = guardedImport(pluginModules, daemon.config.luksmith);
    return examine({ config: daemon.config, importModule, write, daemon }, input, ctx);
  },
};

export async function examine(
  host: DiagnosedHost,
  input: DoctorInput,
  ctx: OpContext,
): Promise<DoctorDocument> {
  return doctorDocument(await diagnose(host, input, ctx));
}

export function doctorDocument({ severity, findings }: HealthReport): DoctorDocument {
  return {
    status: severity,
    findings: findings.map(({ id, severity: how, finding, fix }) => {
      return { id, severity: how, finding, fix: fix ?? null };
    }),
  };
}
