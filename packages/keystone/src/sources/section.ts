import type { PluginSettings } from "@luksmith/core";
import type { HttpOptions } from "../http/http-options.ts";
import { type Interface, INTERFACES } from "../session/catalog.ts";
import { KeystoneSession } from "../session/keystone-session.ts";
import { credentialsFrom } from "./auth-options.ts";
import { httpFrom } from "./http-from.ts";
import { invalid, required, seconds, type Values } from "./values.ts";

/** Nova's own default for the services that it calls. */
const NOVA_INTERFACES: readonly Interface[] = ["internal", "public"];

/** What an adapter section says of a service's place, and how patient to be. */
export interface SectionAdapter {
  readonly region: string | undefined;
  readonly interfaces: readonly Interface[];
  readonly endpointOverride: string | undefined;
  readonly serviceTypes: readonly string[];
  readonly serviceName: string | undefined;
  /** Repetitions after the first try. */
  readonly connectRetries: number | undefined;
  readonly statusCodeRetries: number | undefined;
  readonly connectRetryDelayMs: number | undefined;
  readonly statusCodeRetryDelayMs: number | undefined;
}

/**
 * A service account from a section in keystoneauth's style. `auth_section` names another section to take the account
 * from; connection options stay those of this one.
 * @returns undefined if the section has neither `auth_url` nor `auth_type`; the caller disposes it
 * @throws `ConfigInvalid` with what is missing
 */
export function sectionSession(settings: PluginSettings, section: string): KeystoneSession | undefined {
  const own = sectionValues(settings, section);
  const values = sectionValues(settings, own.get("auth_section") ?? section);
  if (values.get("auth_url") === undefined && values.get("auth_type") === undefined) {
    if (own.get("auth_section") === undefined) return undefined;
    throw invalid(own, `auth_section = ${own.get("auth_section")}, but that section has no auth_url`);
  }
  const authUrl = required(values, ["auth_url"], "a login");
  const adapter = sectionAdapter(settings, section, { serviceTypes: [] });
  return new KeystoneSession({
    authUrl: checkedUrl(values, "auth_url", authUrl),
    credentials: credentialsFrom(values),
    http: sectionHttp(settings, section),
    interface: adapter.interfaces[0] ?? "public",
    region: adapter.region,
  });
}

/** `cafile`, `certfile`, `keyfile`, `insecure` and `timeout` (seconds) of a section. @throws `ConfigInvalid` */
export function sectionHttp(settings: PluginSettings, section: string): HttpOptions {
  const names = { ca: "cafile", cert: "certfile", key: "keyfile", timeout: "timeout" };
  return httpFrom(sectionValues(settings, section), names);
}

/** keystoneauth's adapter options of a section. @throws `ConfigInvalid` */
export function sectionAdapter(
  settings: PluginSettings,
  section: string,
  defaults: { readonly serviceTypes: readonly string[]; readonly interfaces?: readonly Interface[] },
): SectionAdapter {
  const values = sectionValues(settings, section);
  const override = values.get("endpoint_override");
  const type = values.get("service_type");
  return {
    region: values.get("region_name") ?? values.get("os_region_name"),
    interfaces: interfacesOf(values) ?? defaults.interfaces ?? NOVA_INTERFACES,
    endpointOverride: override && checkedUrl(values, "endpoint_override", override).replace(/\/+$/, ""),
    serviceTypes: type === undefined ? defaults.serviceTypes : [type],
    serviceName: values.get("service_name"),
    connectRetries: count(values, "connect_retries"),
    statusCodeRetries: count(values, "status_code_retries"),
    connectRetryDelayMs: seconds(values, "connect_retry_delay"),
    statusCodeRetryDelayMs: seconds(values, "status_code_retry_delay"),
  };
}

function interfacesOf(values: Values): readonly Interface[] | undefined {
  const text = values.get("valid_interfaces") ?? values.get("interface") ?? values.get("os_interface");
  return text
    ?.split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "")
    .map((name) => interfaceNamed(values, name));
}

/** `publicURL` is an older spelling. @throws `ConfigInvalid` or `UsageError` */
export function interfaceNamed(values: Values, name: string): Interface {
  const found = INTERFACES.find((known) => known === name.trim().replace(/URL$/i, "").toLowerCase());
  if (found !== undefined) return found;
  throw invalid(values, `the interface ${name} is none of ${INTERFACES.join(", ")}`);
}

/** @throws `ConfigInvalid` or `UsageError`; the message does not repeat a password in the URL */
export function checkedUrl(values: Values, name: string, url: string): string {
  const parsed = URL.parse(url.trim());
  if (
    parsed !== null &&
    /^https?:$/.test(parsed.protocol) &&
    parsed.username === "" &&
    parsed.password === ""
  ) {
    return url.trim();
  }
  throw invalid(values, `${values.spell(name)} must be an http or https URL without user and password`);
}

function count(values: Values, name: string): number | undefined {
  const text = values.get(name);
  if (text === undefined) return undefined;
  if (/^\d+$/.test(text)) return Number(text);
  throw invalid(values, `${name} must be a whole number from 0`);
}

function sectionValues(settings: PluginSettings, section: string): Values {
  const options = settings.sections[section] ?? {};
  return {
    where: `[${section}]`,
    spell: (name) => name,
    code: "ConfigInvalid",
    get: (name) => {
      // oslo.config takes dashes for underscores.
      const value = options[name] ?? options[name.replaceAll("_", "-")];
      if (value === undefined) return undefined;
      const text = Array.isArray(value) ? value.join(",") : String(value).trim();
      return text === "" ? undefined : text;
    },
  };
}
