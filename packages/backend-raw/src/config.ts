import * as z from "zod";

/** What this backend takes from nova.conf; other options pass. */
export const RawConfig = z.object({
  sections: z.object({
    DEFAULT: z.object({
      instances_path: z.string().startsWith("/", "must be an absolute path"),
    }),
  }),
});
export type RawConfig = z.output<typeof RawConfig>;
