import * as z from "zod";

/** `[luksmith:backend-acme]` is this plugin's own section: strict. All other sections are somebody else's, and pass. */
export const AcmeConfig = z.object({
  sections: z.object({
    "luksmith:backend-acme": z.strictObject({
      directory: z.string().startsWith("/", "must be an absolute path"),
    }),
  }),
});
