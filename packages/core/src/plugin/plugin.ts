import type { Registrar } from "../di/token.ts";

/**
 * The window of plugin contracts this host understands (libtool's current/age): `current - age` to `current`.
 * An additive change raises both; a breaking one raises `current` and sets `age` to 0.
 */
export const PLUGIN_API = { current: 1, age: 0 } as const;

/** Validation by any library: the part of https://standardschema.dev (version 1) that a host needs. */
export interface StandardSchema<Output> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined;
  };
}

export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

export interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/**
 * A plugin is data plus one function; importing it does nothing. Its configuration is taken from the host's
 * configuration files (`PluginSettings`) and checked by its own schema.
 */
export interface Plugin<C = unknown> {
  readonly $type: "luksmith.plugin";
  readonly name: string;
  /** A literal typed by the author, compared with `PLUGIN_API`. */
  readonly apiVersion: number;
  readonly config: StandardSchema<C>;
  register(registrar: Registrar, config: C): void;
}

/** What a plugin's schema is given: every option the files set, by section, as text, plus the host's own paths. */
export interface PluginSettings {
  /** `sections["libvirt"]["images_volume_group"]`; defaults of Nova's documented options are filled in. */
  readonly sections: Readonly<
    Record<string, Readonly<Record<string, string | boolean | number | readonly string[]>>>
  >;
  /** Absolute. Where the host keeps its state; a plugin may keep files of its own name in it. */
  readonly statePath: string;
}

export function definePlugin<C>(plugin: Omit<Plugin<C>, "$type">): Plugin<C> {
  return { $type: "luksmith.plugin", ...plugin };
}
