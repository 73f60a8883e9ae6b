import type { PluginSettings } from "../plugin/plugin.ts";
import type { Deprecation, OptionValue } from "./option.ts";
import type { ConfigValues } from "./options.ts";
import type { ConfigProblem } from "./problem.ts";

/** Where a value came from. */
export type ConfigSource = "default" | { readonly file: string; readonly line: number };

/** One line of `luksmith config show`. */
export interface ConfigEntry {
  readonly section: string;
  readonly name: string;
  /** `[redacted]` for a secret; `undefined` for an option that is not set and has no default. */
  readonly value: OptionValue;
  readonly source: ConfigSource;
  /** Present if the option is deprecated, set or not. */
  readonly deprecated?: Deprecation;
  /** Present if the value is not shown. */
  readonly secret?: true;
}

/** The host's configuration: values by section and name, read once, never changed. */
export interface HostConfig extends ConfigValues {
  /** The files that were read, in order of precedence, lowest first. */
  readonly files: readonly string[];
  /** Deprecated options that a file sets, one each. */
  readonly warnings: readonly ConfigProblem[];
  /** Every known option, then what the files say in the sections kept for plugins. */
  entries(): readonly ConfigEntry[];
  /** What plugins' schemas are given. Holds passwords: do not log. */
  settings(): PluginSettings;
}
