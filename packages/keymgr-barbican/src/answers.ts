import * as z from "zod";

/** Ids that Barbican gives out: version 4 UUIDs in its own code, any in that of its back ends. */
export const SecretId = z
  .string()
  .regex(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i, "must be a UUID")
  .transform((id) => id.toLowerCase());

/**
 * The id in a `secret_ref`: its last segment. The host in it is what Barbican believes its name to be, often wrong behind
 * a proxy, and never followed.
 */
const SecretReference = z
  .string()
  .transform((ref) => ref.slice(ref.lastIndexOf("/") + 1))
  .pipe(SecretId);

export const CreatedSecret = z.object({ secret_ref: SecretReference });

/** Times are UTC, and do not say so. */
const BarbicanTime = z.string().transform((text, context) => {
  const time = new Date(/Z|[+-]\d\d:?\d\d$/.test(text) ? text : `${text}Z`);
  if (Number.isNaN(time.getTime())) {
    context.addIssue("is no time");
    return z.NEVER;
  }
  return time.toISOString();
});

export const SecretMetadata = z.object({
  name: z.string().nullish(),
  secret_type: z.string(),
  status: z.string().nullish(),
  created: BarbicanTime,
  /** Absent until a payload is stored. */
  content_types: z.record(z.string(), z.string()).nullish(),
  secret_ref: SecretReference,
});

export type SecretMetadata = z.output<typeof SecretMetadata>;

export const SecretPage = z.object({ secrets: z.array(SecretMetadata), total: z.int().nonnegative() });

export const ConsumerPage = z.object({
  consumers: z.array(z.object({ service: z.string(), resource_type: z.string(), resource_id: z.string() })),
});

export type Consumer = z.output<typeof ConsumerPage>["consumers"][number];

export type SecretPage = z.output<typeof SecretPage>;
