import type { PluginSettings } from "@luksmith/core";
import * as z from "zod";

/** Our own section. */
export const SECTION = "luksmith:traits-placement";

const MAX_TIMEOUT_SECONDS = 3600;

const Seconds = z
  .string()
  .regex(/^\d{1,4}$/, "must be a whole number of seconds")
  .transform(Number)
  .refine(
    (seconds) => seconds >= 1 && seconds <= MAX_TIMEOUT_SECONDS,
    `must be 1 to ${MAX_TIMEOUT_SECONDS} seconds`,
  );

const Own = z.strictObject({
  resource_provider: z.string().min(1, "must not be empty; leave it out for the host's name").optional(),
  timeout: Seconds.default(120),
});

/** How its values are read is keystone's business; that somebody can log in at all is asked here, before anything runs. */
const Placement = z
  .looseObject({}, "is missing: Nova's [placement] section says where Placement is and who asks it")
  .refine(
    (section) => ["auth_url", "auth_type", "auth_section"].some((name) => name in section),
    "has no auth_url: it needs a service account's, as nova-compute's does; users may not report traits",
  );

export interface PlacementConfig {
  /** Everything the files say, for the options of keystoneauth. Holds passwords: do not log. */
  readonly settings: PluginSettings;
  /** A name or UUID; undefined: this host's name. */
  readonly resourceProvider: string | undefined;
  /** What Nova calls this host; undefined: the name that the operating system gives it. */
  readonly host: string | undefined;
  /** How long one report may go on trying while others change the same provider. */
  readonly timeoutMs: number;
}

export const PlacementConfig = z
  .looseObject({
    sections: z.looseObject({
      DEFAULT: z.looseObject({ host: z.string().optional() }).optional(),
      placement: Placement,
      [SECTION]: Own.prefault({}),
    }),
  })
  .transform((value): PlacementConfig => {
    const own = value.sections[SECTION];
    return {
      // Asserted: the host gave its settings, and the schema took nothing away
      settings: value as unknown as PluginSettings,
      resourceProvider: own.resource_provider,
      host: value.sections.DEFAULT?.host,
      timeoutMs: own.timeout * 1000,
    };
  });
