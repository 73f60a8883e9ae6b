import type { BackendCapabilities } from "../../image/image-backend.ts";

/** An error as `--json` prints it. */
export interface ReportedError {
  readonly code: string;
  readonly message: string;
}

/** One thing that a plugin provides. */
export interface Provided {
  /** `image-backend`, `key-manager`, …; the token's id for what the host does not know. */
  readonly kind: string;
  readonly name: string | null;
  readonly capabilities?: BackendCapabilities;
}

/** One plugin, as it was found. Also what `--json` prints: keys stay as they are. */
export interface PluginDetail {
  /** As `[luksmith] plugins` names it. */
  readonly plugin: string;
  /** The plugin's own; null: it could not be loaded. */
  readonly name: string | null;
  readonly package: string | null;
  readonly version: string | null;
  readonly api_version: number | null;
  readonly config_section: string | null;
  readonly provides: readonly Provided[];
  /** Whether somebody else can change what was loaded for it. */
  readonly files: "safe" | "unsafe" | "not-checked" | "unknown";
  readonly warnings: readonly string[];
  readonly error: ReportedError | null;
}

/** What the plugins are together. */
export interface PluginReport {
  /** Nothing is wrong with any of them, or with all together. */
  readonly ok: boolean;
  readonly core: {
    readonly version: string;
    readonly plugin_api: { readonly current: number; readonly oldest: number };
  };
  /** As `[luksmith] plugins` names them, in order. */
  readonly plugins: readonly string[];
  readonly backends: readonly (BackendCapabilities & {
    readonly name: string;
    /** New disks are made here. */
    readonly chosen: boolean;
  })[];
  readonly key_manager: string | null;
  readonly image_service: string | null;
  readonly details: readonly PluginDetail[];
  /** What is wrong with them together. */
  readonly problems: readonly ReportedError[];
  readonly warnings: readonly string[];
}

/** What a plugin that could not be looked at is known by. */
export function unknownPlugin(plugin: string, error: ReportedError): PluginDetail {
  return {
    plugin,
    name: null,
    package: null,
    version: null,
    api_version: null,
    config_section: null,
    provides: [],
    files: error.code === "PluginUnsafe" ? "unsafe" : "unknown",
    warnings: [],
    error,
  };
}
