import * as z from "zod";
import { FailureSchema, bytes, time, uuid } from "./common.ts";

export const TaskSchema = z.object({
  id: uuid,
  kind: z.string(),
  subject: z.string().nullable().meta({ description: "The instance or snapshot that it changes." }),
  state: z.enum(["queued", "running", "done", "failed", "cancelled"]),
  cancelling: z.boolean().meta({ description: "It was asked to stop." }),
  request_id: z.string(),
  created_at: time,
  started_at: time.nullable(),
  ended_at: time.nullable(),
  progress: z.object({ step: z.string(), done_bytes: bytes, total_bytes: bytes }).nullable(),
  result: z
    .unknown()
    .meta({ description: "Once it is done: what the same request answers without waiting." }),
  error: FailureSchema.nullable(),
});
export const TasksSchema = z.object({ tasks: z.array(TaskSchema) });
export type TaskDocument = z.output<typeof TaskSchema>;
