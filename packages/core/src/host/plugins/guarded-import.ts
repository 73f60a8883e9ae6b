import { registerHooks } from "node:module";
import type { HostConfig } from "../../config/host-config.ts";
import { isLuksmithError, LuksmithError } from "../../errors/luksmith-error.ts";
import { FileTrust, trustedBy } from "./file-trust.ts";
import type { ImportModule } from "./load-plugins.ts";
import type { ModuleSource } from "./module-source.ts";
import { fileOf, packageOf } from "./plugin-package.ts";
import { callWithin } from "./within-limit.ts";

export type GuardOptions = Pick<
  HostConfig["luksmith"],
  "plugins_allowed" | "plugins_require_safe_files" | "plugin_timeout"
>;

/** Of plugins that the agent comes with. They are as trusted as the agent itself. */
const OWN_SCOPE = "@luksmith/";

/** Which plugin made a module be loaded, by the module's URL. Of this process: what is loaded stays. */
const LOADED_FOR = new Map<string, string>();
let trust: FileTrust | undefined;

/** Imports plugins that are allowed, from files that nobody else can change. */
export class GuardedImport {
  readonly #modules: ModuleSource;
  readonly #options: GuardOptions;

  constructor(modules: ModuleSource, options: GuardOptions) {
    this.#modules = modules;
    this.#options = options;
  }

  /** @throws `PluginNotAllowed`, `PluginUnsafe`, `PluginNotLoadable` (its code never returns), and what the import throws */
  readonly import: ImportModule = async (specifier) => {
    const url = this.#modules.resolve(specifier);
    this.#requireAllowed(specifier, url);
    if (this.#options.plugins_require_safe_files) this.#requireSafe(specifier, url);
    this.#requireEnd(specifier, url);
    return await this.#modules.import(specifier);
  };

  /** A module that waits for something at its top level is imported only, and `PluginLoader` waits no longer than it may. */
  #requireEnd(specifier: string, url: string): void {
    const path = fileOf(url);
    const { runSync } = this.#modules;
    if (path === undefined || !runSync || specifier.startsWith(OWN_SCOPE)) return;
    const limit = { plugin: specifier, timeoutMs: this.#options.plugin_timeout * 1000 };
    try {
      callWithin(limit, "loading", () => runSync(path));
    } catch (error) {
      if (isLuksmithError(error)) throw error;
    }
  }

  #requireAllowed(specifier: string, url: string): void {
    const { plugins_allowed: allowed } = this.#options;
    if (allowed.length === 0 || allowed.includes(specifier)) return;
    const version = packageOf(url)?.version ?? "";
    if (allowed.includes(`${specifier}@${version}`)) return;
    const other = allowed.find((entry) => entry.startsWith(`${specifier}@`));
    const why = other
      ? `it is of version ${version || "unknown"}, and [luksmith] plugins_allowed has ${other}`
      : "[luksmith] plugins_allowed does not have it";
    throw new LuksmithError(
      "PluginNotAllowed",
      `plugin ${specifier} may not be loaded: ${why}; take it out of [luksmith] plugins, or allow it`,
      { details: { plugin: specifier, version } },
    );
  }

  /** The module itself now; what it imports, then or later, when it is resolved and before it runs. */
  #requireSafe(specifier: string, url: string): void {
    watchImports(this.#modules);
    requireSafeFile(specifier, url, trust);
    // As it was named: a link in a folder of somebody else's could point elsewhere tomorrow.
    if (specifier.startsWith("/")) requireSafeFile(specifier, specifier, trust);
    LOADED_FOR.set(url, specifier);
  }
}

function requireSafeFile(plugin: string, url: string, files: FileTrust | undefined): void {
  const file = url.startsWith("/") ? url : fileOf(url);
  const problem = file === undefined ? undefined : files?.problem(file);
  if (problem === undefined) return;
  throw new LuksmithError(
    "PluginUnsafe",
    `plugin ${plugin} is not loaded, since somebody else could have changed it: ${problem}; give it to root and take the others' right to write ("chown -R root:root", "chmod -R go-w"). For development: [luksmith] plugins_require_safe_files = false`,
    { details: { plugin, file, problem } },
  );
}

function watchImports({ own }: ModuleSource): void {
  if (trust) return;
  trust = new FileTrust(trustedBy(own));
  registerHooks({
    resolve(specifier, context, next) {
      const resolved = next(specifier, context);
      const plugin = context.parentURL === undefined ? undefined : LOADED_FOR.get(context.parentURL);
      if (plugin === undefined || LOADED_FOR.has(resolved.url)) return resolved;
      requireSafeFile(plugin, resolved.url, trust);
      LOADED_FOR.set(resolved.url, plugin);
      return resolved;
    },
  });
}
