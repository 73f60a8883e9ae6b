import type { KeyAudit } from "../../audit/audited-keys.ts";
import type { HostConfig } from "../../config/host-config.ts";
import { nearestName } from "../../config/nearest-name.ts";
import type { Container } from "../../di/container.ts";
import { errorToJson } from "../../errors/luksmith-error.ts";
import type { BackendCapabilities } from "../../image/image-backend.ts";
import { coreVersion } from "../../plugin/core-version.ts";
import { PLUGIN_API } from "../../plugin/plugin.ts";
import { HostServices } from "../host-services.ts";
import { GuardedImport } from "./guarded-import.ts";
import type { LoadedPlugin, PluginLoader } from "./load-plugins.ts";
import type { ModuleSource } from "./module-source.ts";
import { packageOf } from "./plugin-package.ts";
import {
  type PluginDetail,
  type PluginReport,
  type Provided,
  type ReportedError,
  unknownPlugin,
} from "./plugin-report.ts";
import { ownSection } from "./plugin-settings.ts";
import { kindOf } from "./provided-shape.ts";
import { watchSideEffects } from "./side-effects.ts";

/** What is told while plugins are looked at, so that the one that hangs is known. */
export type ProbeStep = { readonly plugin: string; readonly step: "import" | "configure" | "make" };

export interface Probe {
  readonly config: HostConfig;
  readonly modules: ModuleSource;
  /** In this order. */
  readonly plugins: readonly string[];
  /** Those that hung before: they are not tried again. */
  readonly hung: ReadonlyMap<string, ReportedError>;
  readonly onStep: (step: ProbeStep) => void;
}

/**
 * Loads plugins one after the other and makes what they provide; what is wrong with one keeps no other from being
 * looked at. Opens none of their stores.
 */
export async function probePlugins(probe: Probe): Promise<PluginReport> {
  const { config, modules } = probe;
  const guarded = new GuardedImport(modules, config.luksmith);
  const details: PluginDetail[] = [];
  const services = await HostServices.composeWith(
    config,
    guarded.import,
    NOTHING_USED,
    undefined,
    async (loader, container) => {
      const found: Found[] = [];
      for (const plugin of probe.plugins) found.push(await load(plugin, loader, probe));
      // What one makes may need what another provides.
      for (const each of found) details.push(detailOf(each, container, probe));
    },
  );
  return reportOf(probe, details, services);
}

/** No key is used while plugins are looked at, and the state may be somebody else's. */
const NOTHING_USED: KeyAudit = { append: async () => {}, subjectOf: () => undefined };

interface Found {
  readonly plugin: string;
  readonly loaded: LoadedPlugin | undefined;
  readonly detail: PluginDetail;
}

async function load(plugin: string, loader: PluginLoader, probe: Probe): Promise<Found> {
  const hung = probe.hung.get(plugin);
  if (hung) return { plugin, loaded: undefined, detail: unknownPlugin(plugin, hung) };
  probe.onStep({ plugin, step: "import" });
  const about = aboutPackage(plugin, probe.modules);
  let known: Partial<PluginDetail> = about;
  const watch = watchSideEffects();
  try {
    const loaded = await loader.load(plugin, ({ name, apiVersion }) => {
      probe.onStep({ plugin, step: "configure" });
      known = { ...about, name, api_version: apiVersion, config_section: ownSection(name) };
    });
    const files = probe.config.luksmith.plugins_require_safe_files ? "safe" : "not-checked";
    const warnings = [...ageWarning(loaded), ...(await watch.end())];
    return { plugin, loaded, detail: { ...bare(plugin), ...known, files, warnings } };
  } catch (error) {
    await watch.end();
    return { plugin, loaded: undefined, detail: { ...unknownPlugin(plugin, reported(error)), ...known } };
  }
}

function bare(plugin: string): PluginDetail {
  return { ...unknownPlugin(plugin, { code: "", message: "" }), error: null };
}

function aboutPackage(plugin: string, modules: ModuleSource): Partial<PluginDetail> {
  try {
    const found = packageOf(modules.resolve(plugin));
    return found ? { package: found.name, version: found.version } : {};
  } catch {
    return {};
  }
}

function ageWarning({ plugin }: LoadedPlugin): readonly string[] {
  if (plugin.apiVersion === PLUGIN_API.current) return [];
  return [
    `it was made for plugin API ${plugin.apiVersion}, this host has ${PLUGIN_API.current}: docs/reference/plugin-api-changes.md says what changed`,
  ];
}

function detailOf({ plugin, loaded, detail }: Found, container: Container, probe: Probe): PluginDetail {
  if (!loaded) return detail;
  probe.onStep({ plugin, step: "make" });
  const provides: Provided[] = [];
  for (const { id, make } of loaded.registrations) {
    try {
      provides.push(describe(kindOf(id), make(container)));
    } catch (error) {
      provides.push({ kind: kindOf(id), name: null });
      return { ...detail, provides, error: reported(error) };
    }
  }
  return { ...detail, provides };
}

function describe(kind: string, made: unknown): Provided {
  const { name, capabilities } = (made ?? {}) as { name?: unknown; capabilities?: BackendCapabilities };
  const named = { kind, name: typeof name === "string" ? name : null };
  return kind === "image-backend" && capabilities ? { ...named, capabilities } : named;
}

function reportOf(probe: Probe, details: readonly PluginDetail[], services: HostServices): PluginReport {
  const problems: ReportedError[] = [];
  const ask = <T>(what: () => T): T | undefined => {
    try {
      return what();
    } catch (error) {
      problems.push(reported(error));
      return undefined;
    }
  };
  const backends = ask(() => services.backends) ?? [];
  const chosen = backends.length > 0 ? ask(() => services.chosenBackend.name) : undefined;
  const { current, age } = PLUGIN_API;
  const report = {
    core: { version: coreVersion(), plugin_api: { current, oldest: current - age } },
    plugins: probe.plugins,
    backends: backends.map(({ name, capabilities }) =>
      Object.assign({ name, chosen: name === chosen }, capabilities),
    ),
    key_manager: ask(() => services.keys.name) ?? null,
    image_service: ask(() => services.images.name) ?? null,
    details,
    warnings: strangeSections(probe.config, details),
  };
  // What lacks because a plugin failed is that plugin's fault, and said already.
  const failed = details.some(({ error }) => error !== null);
  return { ok: !failed && problems.length === 0, ...report, problems: failed ? [] : problems };
}

/** Sections for plugins that none of them reads: misspelt, perhaps. */
function strangeSections(config: HostConfig, details: readonly PluginDetail[]): readonly string[] {
  const known = details.flatMap(({ config_section: section }) => section ?? []);
  if (known.length < details.length) return [];
  return Object.keys(config.settings().sections)
    .filter((section) => section.startsWith("luksmith:") && !known.includes(section))
    .map((section) => {
      const near = nearestName(section, known);
      const hint = near === undefined ? "" : `; did you mean [${near}]?`;
      return `[${section}] is read by no configured plugin${hint}`;
    });
}

function reported(error: unknown): ReportedError {
  const { code, message } = errorToJson(error);
  return { code: String(code), message: String(message) };
}
