import * as z from "zod";

/** What this backend takes from nova.conf; other options pass. */
export const Qcow2Config = z.object({
  sections: z.object({
    DEFAULT: z.object({
      instances_path: z.string().startsWith("/", "must be an absolute path"),
    }),
  }),
});
export type Qcow2Config = z.output<typeof Qcow2Config>;
