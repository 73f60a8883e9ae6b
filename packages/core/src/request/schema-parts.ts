import * as z from "zod";

/**
 * A UUID of any version in its canonical form, in lower case afterwards: ids become parts of file names, and two
 * spellings of one id must not become two files.
 */
export const uuid = z
  .string()
  .regex(/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i, "must be a UUID")
  .transform((value) => value.toLowerCase());

/** Names and labels as OpenStack's databases keep them. */
export const text = z.string().max(255);
