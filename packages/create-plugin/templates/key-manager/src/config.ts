import * as z from "zod";

/** `[luksmith:keymgr-acme]` is this plugin's own section: strict. All other sections are somebody else's, and pass. */
export const AcmeConfig = z.object({
  /** Where the host keeps its state. */
  statePath: z.string(),
  sections: z.object({
    "luksmith:keymgr-acme": z
      .strictObject({
        directory: z.string().startsWith("/", "must be an absolute path").optional(),
      })
      .default({}),
  }),
});
