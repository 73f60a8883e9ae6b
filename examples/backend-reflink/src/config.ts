import * as z from "zod";

const Options = z.strictObject({
  directory: z.string().startsWith("/", "must be an absolute path"),
  /** `required`: disks are made only where checkpoints will be possible. */
  reflink: z.enum(["required", "preferred"]).default("required"),
});

/** @see ReflinkConfig */
export type ReflinkOptions = z.output<typeof Options>;

/** `[luksmith:backend-reflink]` is this plugin's own section: strict. All other sections are somebody else's, and pass. */
export const ReflinkConfig = z.object({
  sections: z.object({ "luksmith:backend-reflink": Options }),
});
