import * as z from "zod";

export const uuid = z.string();
export const time = z.string().meta({ description: "ISO 8601, UTC" });
export const bytes = z.int().min(0);
export const json = z.record(z.string(), z.unknown());
export const FailureSchema = z.object({
  code: z.string().meta({ description: "See docs/reference/errors.md." }),
  category: z.string(),
  message: z.string(),
  retryable: z.boolean(),
  details: json,
});
export const ErrorSchema = z.object({ error: FailureSchema });
