import { isAbsolute, join, normalize } from "node:path";
import type { PluginSettings, StandardSchema } from "@luksmith/core";
import * as z from "zod";

const AbsolutePath = z
  .string()
  .refine((path) => isAbsolute(path) && !path.includes("\0"), "must be an absolute path")
  .transform((path) => normalize(path).replace(/(?<=.)\/+$/, ""));

/** Plugins' sections come as text. */
function wholeNumber(min: number, max: number): z.ZodType<number> {
  return z
    .string()
    .refine((text) => /^\d{1,9}$/.test(text) && Number(text) >= min && Number(text) <= max, {
      message: `must be a whole number from ${min} to ${max}`,
    })
    .transform(Number);
}

const WORDS: Readonly<Record<string, boolean>> = {
  true: true,
  yes: true,
  on: true,
  "1": true,
  false: false,
  no: false,
  off: false,
  "0": false,
};

const Bool = z
  .string()
  .refine((text) => Object.hasOwn(WORDS, text.toLowerCase()), "must be true or false")
  .transform((text) => WORDS[text.toLowerCase()] ?? false);

/** Nova's `api_servers`: URLs, or `host:port` for http. The version is ours to add. */
const ApiServers = z.string().transform((text, context) =>
  text
    .split(",")
    .map((server) => server.trim())
    .filter((server) => server !== "")
    .map((server) => {
      const url = server.includes("://") ? server : `http://${server}`;
      if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
        context.addIssue({ code: "custom", message: "must be http or https URLs, separated by commas" });
        return z.NEVER;
      }
      return withoutVersion(url);
    }),
);

/** Without the `/v2` that people put there. */
export function withoutVersion(url: string): string {
  return url.replace(/\/+$/, "").replace(/\/v2(?:\.\d+)?$/, "");
}

const Settings = z.object({
  statePath: AbsolutePath,
  sections: z.object({
    glance: z
      .object({ api_servers: ApiServers.optional(), num_retries: wholeNumber(0, 100).optional() })
      .optional(),
    service_user: z.object({ send_service_user_token: Bool.optional() }).optional(),
    "luksmith:images-glance": z
      .strictObject({
        directory: z.literal("").or(AbsolutePath).optional(),
        max_downloads: wholeNumber(1, 64).optional(),
        allow_missing_hash: Bool.optional(),
      })
      .optional(),
  }),
});

/** What the plugin takes from the host's configuration. */
export interface GlanceConfig {
  /** `[glance] api_servers`, in order of preference; empty: from `endpoint_override` or the catalog. */
  readonly apiServers: readonly string[];
  /** `[glance] num_retries` */
  readonly retries: number;
  /** `[service_user] send_service_user_token` */
  readonly sendServiceToken: boolean;
  /** Absolute. */
  readonly directory: string;
  readonly maxDownloads: number;
  readonly allowMissingHash: boolean;
  /** For the sections that `@luksmith/keystone` reads itself. */
  readonly settings: PluginSettings;
}

function fromSettings(value: z.infer<typeof Settings>, settings: PluginSettings): GlanceConfig {
  const { glance, service_user: serviceUser, "luksmith:images-glance": own } = value.sections;
  return {
    apiServers: glance?.api_servers ?? [],
    retries: glance?.num_retries ?? 3,
    sendServiceToken: serviceUser?.send_service_user_token ?? false,
    directory: own?.directory || join(value.statePath, "glance"),
    maxDownloads: own?.max_downloads ?? 4,
    allowMissingHash: own?.allow_missing_hash ?? false,
    settings,
  };
}

/** @see GlanceConfig */
export const GlanceConfigSchema: StandardSchema<GlanceConfig> = {
  "~standard": {
    version: 1,
    vendor: "luksmith",
    validate(value) {
      const parsed = Settings.safeParse(value);
      if (!parsed.success) return { issues: parsed.error.issues };
      // What the host gives is PluginSettings; the parts that are used here were just checked.
      return { value: fromSettings(parsed.data, value as PluginSettings) };
    },
  },
};
