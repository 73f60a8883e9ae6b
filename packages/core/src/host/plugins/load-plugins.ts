import type { Container } from "../../di/container.ts";
import { LuksmithError } from "../../errors/luksmith-error.ts";
import type { Plugin, PluginSettings } from "../../plugin/plugin.ts";
import { inPlugin, PluginRegistrar, type Registration } from "./plugin-registrar.ts";
import { type LocateOption, pluginSettings } from "./plugin-settings.ts";
import { type ApiWindow, asPlugin } from "./plugin-shape.ts";
import { callWithin, waitWithin } from "./within-limit.ts";

/** Imports a package by name, as seen from the program that chose it. */
export type ImportModule = (specifier: string) => Promise<unknown>;

export interface LoadPluginsOptions {
  /** For each step of each plugin. */
  readonly timeoutMs?: number;
  readonly locate?: LocateOption;
  readonly api?: ApiWindow;
}

/** A plugin that is in the container. */
export interface LoadedPlugin {
  /** As `[luksmith] plugins` names it. */
  readonly specifier: string;
  readonly plugin: Plugin;
  readonly registrations: readonly Registration[];
}

const TIMEOUT_MS = 30_000;

/** Loads plugins into one container, each wholly or not at all. */
export class PluginLoader {
  readonly #settings: PluginSettings;
  readonly #container: Container;
  readonly #importModule: ImportModule;
  readonly #options: LoadPluginsOptions;
  readonly #names = new Map<string, string>();
  readonly #owners = new Map<string, string>();

  constructor(
    settings: PluginSettings,
    container: Container,
    importModule: ImportModule,
    options: LoadPluginsOptions = {},
  ) {
    this.#settings = settings;
    this.#container = container;
    this.#importModule = importModule;
    this.#options = options;
  }

  /** @throws `PluginNotLoadable`, `PluginIncompatible`, `PluginConflict`, `ConfigInvalid`, and what the import throws */
  async load(specifier: string, onPlugin: (plugin: Plugin) => void = () => {}): Promise<LoadedPlugin> {
    const plugin = await this.#import(specifier);
    onPlugin(plugin);
    const { name } = plugin;
    const other = this.#names.get(name);
    if (other !== undefined) {
      const both = other === specifier ? specifier : `${other} and ${specifier}`;
      throw new LuksmithError(
        "PluginConflict",
        `plugin ${name} is configured twice (${both}); name it once in [luksmith] plugins`,
        { details: { plugin: specifier, name } },
      );
    }
    const limit = { plugin: specifier, timeoutMs: this.#timeoutMs };
    const config = await pluginSettings(plugin, this.#settings, limit, this.#options.locate);
    const registrar = new PluginRegistrar(limit);
    try {
      const returned: unknown = callWithin(limit, "registering", () => plugin.register(registrar, config));
      requireNothing(returned);
    } catch (error) {
      throw inPlugin(specifier, "registering", error);
    }
    registrar.commit(this.#container, this.#owners);
    this.#names.set(name, specifier);
    return { specifier, plugin, registrations: registrar.registrations };
  }

  get #timeoutMs(): number {
    return this.#options.timeoutMs ?? TIMEOUT_MS;
  }

  async #import(specifier: string): Promise<Plugin> {
    const limit = { plugin: specifier, timeoutMs: this.#timeoutMs };
    let module: unknown;
    try {
      module = await waitWithin(limit, "loading", this.#importModule(specifier));
    } catch (error) {
      if (error instanceof LuksmithError) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      throw new LuksmithError(
        "PluginNotLoadable",
        `plugin ${specifier} cannot be loaded: ${reason}; install it, or take it out of [luksmith] plugins`,
        { cause: error, details: { plugin: specifier } },
      );
    }
    return asPlugin(specifier, module, this.#options.api);
  }
}

/** What is registered after an `await` would be missing in the host without anybody being told. */
function requireNothing(returned: unknown): void {
  if (!(returned instanceof Promise)) return;
  returned.catch(() => undefined);
  throw new TypeError("its register is asynchronous, and must not be");
}

/**
 * Loads the configured plugins in order. Fail closed: one that cannot load, is of another API version or dislikes its
 * configuration stops the host.
 * @throws `PluginNotLoadable`, `PluginIncompatible`, `PluginConflict`, `ConfigInvalid`
 */
export async function loadPlugins(
  specifiers: readonly string[],
  settings: PluginSettings,
  container: Container,
  importModule: ImportModule,
  options: LoadPluginsOptions = {},
): Promise<readonly LoadedPlugin[]> {
  const loader = new PluginLoader(settings, container, importModule, options);
  const loaded: LoadedPlugin[] = [];
  for (const specifier of specifiers) loaded.push(await loader.load(specifier));
  return loaded;
}
