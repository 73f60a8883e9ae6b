import { LuksmithError, Passphrase } from "@luksmith/core";

/** What the `openstack` command takes when no domain is given. */
export const DEFAULT_DOMAIN_ID = "default";

/** Settings by name, as text: one section of nova.conf, one cloud of clouds.yaml, or the OS_* variables. */
export interface Values {
  /** For messages: `[placement]`, `cloud "prod" in /etc/openstack/clouds.yaml`. */
  readonly where: string;
  /** How people write this name there: `auth_url`, `OS_AUTH_URL`. */
  readonly spell: (name: string) => string;
  /** Empty and blank values are undefined. */
  readonly get: (name: string) => string | undefined;
  /** The code of what is thrown about them. */
  readonly code: "ConfigInvalid" | "UsageError";
  /** Where people usually leave the domain out. */
  readonly defaultDomainId?: string;
}

/** @throws `ConfigInvalid` or `UsageError` naming what is missing */
export function required(values: Values, names: readonly string[], purpose: string): string {
  const value = names.map((name) => values.get(name)).find((found) => found !== undefined);
  if (value !== undefined) return value;
  const missing = names.map((name) => values.spell(name)).join(" or ");
  throw invalid(values, `${missing} is missing, which ${purpose} needs; set it`);
}

export function invalid(values: Values, problem: string): LuksmithError {
  return new LuksmithError(values.code, `${values.where}: ${problem}`);
}

const TRUE = new Set(["1", "true", "yes", "on", "t", "y"]);
const FALSE = new Set(["0", "false", "no", "off", "f", "n"]);

/** @throws `ConfigInvalid` or `UsageError` for other words */
export function bool(values: Values, name: string): boolean | undefined {
  const text = values.get(name)?.toLowerCase();
  if (text === undefined) return undefined;
  if (TRUE.has(text)) return true;
  if (FALSE.has(text)) return false;
  throw invalid(values, `${values.spell(name)} must be true or false`);
}

/** Seconds to milliseconds. @throws `ConfigInvalid` or `UsageError` for what is no number above 0 */
export function seconds(values: Values, name: string): number | undefined {
  const text = values.get(name);
  if (text === undefined) return undefined;
  const number = Number(text);
  if (Number.isFinite(number) && number > 0) return number * 1000;
  throw invalid(values, `${values.spell(name)} must be a number of seconds above 0`);
}

/** A secret that stands in a file or variable as text: that text cannot be wiped, the copy can. */
export function secret(text: string): Passphrase {
  return Passphrase.take(Buffer.from(text));
}
