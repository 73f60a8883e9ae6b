import * as z from "zod";
import { time, uuid } from "./common.ts";

const reporterOf = { reporter: z.string() };
const absent = z.object({ source: z.string(), traits: z.array(z.string()), reason: z.string() });
export const TraitsSchema = z.object({
  traits: z.array(z.string()),
  absent: z.array(absent),
  reporters: z.array(z.object(reporterOf).loose()),
});
export const TraitsSyncedSchema = z.object({ ...TraitsSchema.shape, created: z.array(z.string()) });
export const GcSchema = z.object({
  applied: z.boolean(),
  discrepancies: z.array(
    z.object({
      kind: z.string(),
      instance: z.string().nullable(),
      object: z.string(),
      finding: z.string(),
      advice: z.string(),
      removable: z.boolean(),
      outcome: z.enum(["done", "left", "refused", "failed"]).nullable(),
      reason: z.string().nullable(),
    }),
  ),
  foreign: z.int(),
  troubles: z.array(z.string()),
});
const severity = z.enum(["ok", "info", "warning", "error"]);
export const DoctorSchema = z.object({
  status: severity,
  findings: z.array(z.object({ id: z.string(), severity, finding: z.string(), fix: z.string().nullable() })),
});
export const RecoveredSchema = z.object({
  operations: z.array(
    z.object({
      operation: z.string(),
      kind: z.string(),
      subject: uuid,
      outcome: z.enum(["undone", "finished", "settled", "failed"]),
      error: z.string().optional(),
      started_at: time,
    }),
  ),
});
export const HostSchema = z.object({
  version: z.string(),
  state_path: z.string(),
  pid: z.int(),
  started_at: time,
  asks_for_user: z.boolean().meta({ description: "Whether a plugin acts as the user of X-Auth-Token." }),
  backends: z.array(z.string()),
  key_manager: z.string().nullable(),
});
export const HealthSchema = z.object({ status: z.literal("ok") });
export const ReadySchema = z.object({
  ready: z.boolean(),
  reasons: z.array(z.string()).meta({ description: "Why not." }),
  running: z.int(),
  queued: z.int(),
  unfinished: z.int().meta({ description: "Operations that could not be ended yet." }),
  resuming: z.int().meta({ description: "Guests that are being brought back since the daemon started." }),
  waiting: z.int().meta({
    description: "Guests that wait for somebody with a token to start them, or to give their keys.",
  }),
});
export type HostDocument = z.output<typeof HostSchema>;
