import { isAbsolute } from "node:path";
import type { PluginSettings } from "@luksmith/core";
import type { Interface } from "@luksmith/keystone";
import * as z from "zod";
import type { SecretReaders } from "./secret-setup.ts";

/** Castellan's. Right on a development cloud only, but it is what Nova uses when nothing is set. */
const AUTH_ENDPOINT = "http://localhost/identity/v3";

/** An empty option means that it is not set. */
function optional<T extends z.ZodType>(schema: T) {
  return z.preprocess((value) => (value === "" ? undefined : value), schema.optional());
}

const TRUE = new Set(["true", "yes", "on", "1"]);
const FALSE = new Set(["false", "no", "off", "0"]);

const Flag = z.union([
  z.boolean(),
  z
    .string()
    .toLowerCase()
    .refine((text) => TRUE.has(text) || FALSE.has(text), "must be true or false")
    .transform((text) => TRUE.has(text)),
]);

function whole(min: number, max: number) {
  const number = z.int().min(min).max(max);
  return z.union([
    number,
    z
      .string()
      .trim()
      .regex(/^-?\d+$/, "must be a whole number")
      .transform(Number)
      .pipe(number),
  ]);
}

const Url = z
  .url({ protocol: /^https?$/, error: "must be a URL with http or https" })
  .transform((url) => url.replace(/\/+$/, ""));

const AbsolutePath = z.string().refine(isAbsolute, "must be an absolute path");

/** Castellan's options. Others in the section are Nova's business. */
const Barbican = z.object({
  barbican_endpoint: optional(Url),
  barbican_api_version: optional(z.literal("v1", "must be v1, the only one that there is")),
  auth_endpoint: optional(Url),
  // Castellan polls orders with these. Luksmith orders nothing; they are checked, so that one file serves both.
  retry_delay: optional(whole(0, 86_400)),
  number_of_retries: optional(whole(0, 1_000_000)),
  verify_ssl: optional(Flag),
  verify_ssl_path: optional(AbsolutePath),
  barbican_endpoint_type: optional(z.enum(["public", "internal", "admin"])),
  barbican_region_name: optional(z.string()),
  send_service_user_token: optional(Flag),
});

const Own = z.strictObject({
  consumers: optional(Flag),
  acl: optional(z.enum(["project", "private", "agent"])),
  timeout: optional(whole(1, 3600)),
  max_concurrent: optional(whole(1, 1000)),
});

const Settings = z.object({
  sections: z.object({
    barbican: Barbican.default({}),
    "luksmith:keymgr-barbican": Own.default({}),
    keystone_authtoken: z.object({ auth_url: optional(z.string()) }).default({}),
  }),
});

/** @see BarbicanConfig */
export interface BarbicanConfig {
  /** As they came: the sections of the account and of the connection are read by `@luksmith/keystone`. */
  readonly settings: PluginSettings;
  readonly endpoint: string | undefined;
  readonly interface: Interface;
  readonly region: string | undefined;
  /** Where Keystone is; undefined, where the account logs in. */
  readonly authUrl: string | undefined;
  readonly verify: boolean;
  /** PEM file of a private authority. */
  readonly caFile: string | undefined;
  /** Undefined: `[barbican] timeout`, or 60 seconds. */
  readonly timeoutMs: number | undefined;
  /** The section with the agent's own account, if there is one. */
  readonly account: string | undefined;
  readonly sendServiceToken: boolean;
  readonly consumers: boolean;
  readonly acl: SecretReaders;
  readonly maxConcurrent: number;
}

/**
 * `[barbican]` as castellan reads it for Nova, the account in `[barbican_service_user]` or else `[service_user]`, and the
 * plugin's own `[luksmith:keymgr-barbican]`, in which anything else is an error.
 */
export const BarbicanConfig = z
  .custom<PluginSettings>((settings) => typeof settings === "object" && settings !== null)
  .transform((settings, context): BarbicanConfig => {
    const checked = Settings.safeParse(settings);
    if (!checked.success) {
      for (const { message, path } of checked.error.issues) {
        context.issues.push({ code: "custom", message, path, input: settings });
      }
      return z.NEVER;
    }
    const { barbican, "luksmith:keymgr-barbican": own, keystone_authtoken: nova } = checked.data.sections;
    const account = ACCOUNTS.find((section) => isAccount(settings.sections[section]));
    const refuse = (message: string, path: readonly string[]) =>
      context.issues.push({ code: "custom", message, path: ["sections", ...path], input: settings });
    if (account === undefined && own.acl === "agent") {
      refuse(`agent needs the agent's own account: ${NO_ACCOUNT}`, ["luksmith:keymgr-barbican", "acl"]);
    }
    if (account === undefined && barbican.send_service_user_token) {
      refuse(`needs an account: ${NO_ACCOUNT}`, ["barbican", "send_service_user_token"]);
    }
    return {
      settings,
      endpoint: barbican.barbican_endpoint,
      interface: barbican.barbican_endpoint_type ?? "public",
      region: barbican.barbican_region_name,
      authUrl:
        barbican.auth_endpoint ?? (account === undefined ? (nova.auth_url ?? AUTH_ENDPOINT) : undefined),
      verify: barbican.verify_ssl ?? true,
      caFile: barbican.verify_ssl_path,
      timeoutMs: own.timeout === undefined ? undefined : own.timeout * 1000,
      account,
      sendServiceToken: barbican.send_service_user_token ?? false,
      consumers: own.consumers ?? true,
      acl: own.acl ?? "project",
      maxConcurrent: own.max_concurrent ?? 8,
    };
  });

const ACCOUNTS = ["barbican_service_user", "service_user"] as const;
const NO_ACCOUNT = "set auth_url and the rest of it in [barbican_service_user] or [service_user]";

function isAccount(section: PluginSettings["sections"][string] | undefined): boolean {
  return [section?.["auth_url"], section?.["auth_type"], section?.["auth_section"]].some(Boolean);
}
