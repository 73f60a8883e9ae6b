import { LuksEngine } from "@luksmith/luks";
import { auditedKeys, type KeyAudit } from "../audit/audited-keys.ts";
import { auditedMappings } from "../audit/audited-mappings.ts";
import { Commands } from "../command/command-runner.ts";
import { imagesBackendName } from "../config/images-backend-name.ts";
import type { HostConfig } from "../config/host-config.ts";
import { Container } from "../di/container.ts";
import { type Resolver, token } from "../di/token.ts";
import { LuksmithError } from "../errors/luksmith-error.ts";
import { type Hypervisor, Hypervisors } from "../guest/hypervisor.ts";
import { type HealthCheck, HealthChecks } from "../health/health-check.ts";
import {
  type BackendExtension,
  BackendExtensions,
  type ImageBackend,
  ImageBackends,
  type ImageServices,
  ImageServicesToken,
} from "../image/image-backend.ts";
import { ImageCache } from "../images/cache/image-cache.ts";
import { DirectoryImageService } from "../images/directory-image-service.ts";
import { type ImageService, Images } from "../images/image-service.ts";
import { HostCopiesToken } from "../key-manager/host-copies.ts";
import { type KeyManager, KeyManagers } from "../key-manager/key-manager.ts";
import { GovernedKeys } from "../key-manager/governed-keys.ts";
import { KeysWithHostCopies } from "../key-manager/keys-with-host-copies.ts";
import { type KeyManagerListener, observedKeys } from "../key-manager/observed-keys.ts";
import { type TraitProvider, TraitProviders, type TraitReporter, TraitReporters } from "../traits/trait.ts";
import { ExecaRunner } from "./execa-runner.ts";
import { KeptCopies } from "./kept-copies.ts";
import { type ImportModule, PluginLoader } from "./plugins/load-plugins.ts";
import { makerOf } from "./plugins/plugin-registrar.ts";

const Engine = token<LuksEngine>("luksmith.luks-engine");
const Cache = token<ImageCache>("luksmith.image-cache");
/** The key manager, with this host's copies where there are any. */
const Keys = token<KeyManager>("luksmith.keys");

function newCache(config: HostConfig, resolver: Resolver): ImageCache {
  return new ImageCache({
    instancesPath: config.DEFAULT.instances_path,
    commands: resolver.get(Commands),
    luks: resolver.get(Engine),
    timeoutMs: config.luksmith.command_timeout * 1000,
  });
}

/**
 * A key manager on this host (one without a scope) opens to the host anyway. Any other needs copies under `host`.
 * @throws `ConfigInvalid`
 */
function keysOf(config: HostConfig, resolver: Resolver, listener?: KeyManagerListener): KeyManager {
  const own = resolver.get(KeyManagers);
  const {
    secret_security: security,
    key_manager_rate: perSecond,
    key_manager_burst: burst,
  } = config.luksmith;
  if (!own.scope) return own;
  const keys = perSecond > 0 ? new GovernedKeys(own, { perSecond, burst }, listener) : own;
  if (resolver.has(HostCopiesToken)) {
    const lifetimeMs = config.luksmith.host_copy_lifetime * 1000;
    return new KeysWithHostCopies(keys, resolver.get(HostCopiesToken), security, lifetimeMs);
  }
  if (security === "user") return keys;
  throw new LuksmithError(
    "ConfigInvalid",
    `[luksmith] secret_security = host keeps sealed copies of the passphrases of ${keys.name} on this host, and no plugin keeps them: add @luksmith/keymgr-local/host-copies to [luksmith] plugins, or set secret_security = user`,
    { details: { keyManager: keys.name } },
  );
}

/** The file and line that set an option of a plugin's. */
function placeOf(config: HostConfig, section: string, name: string): string | undefined {
  const entry = config.entries().find((each) => each.section === section && each.name === name);
  return !entry || entry.source === "default" ? undefined : `${entry.source.file}:${entry.source.line}`;
}

/** @throws `PluginConflict` naming both plugins: which of them a disk belongs to could not be told */
function requireNamesApart(backends: readonly ImageBackend[]): void {
  for (const [index, { name }] of backends.entries()) {
    const first = backends.findIndex((other) => other.name === name);
    if (first === index) continue;
    const [one, two] = [backends[first], backends[index]].map((each) => makerOf(each ?? {}));
    throw new LuksmithError(
      "PluginConflict",
      `two plugins provide the image backend ${name}: ${one} and ${two}; configure only one of them`,
      { details: { backend: name, plugins: [one, two] } },
    );
  }
}

/** The composed plugins and what core lends them. */
export class HostServices implements AsyncDisposable {
  readonly #container: Container;
  readonly #config: HostConfig;

  private constructor(container: Container, config: HostConfig) {
    this.#container = container;
    this.#config = config;
  }

  static async compose(
    config: HostConfig,
    importModule: ImportModule,
    audit: KeyAudit,
    onKeyManager?: KeyManagerListener,
  ): Promise<HostServices> {
    return await HostServices.composeWith(config, importModule, audit, onKeyManager, async (loader) => {
      for (const plugin of config.luksmith.plugins) await loader.load(plugin);
    });
  }

  /** With the plugins that `load` loads. */
  static async composeWith(
    config: HostConfig,
    importModule: ImportModule,
    audit: KeyAudit,
    onKeyManager: KeyManagerListener | undefined,
    load: (loader: PluginLoader, container: Container) => Promise<void>,
  ): Promise<HostServices> {
    const container = Container.create();
    container.provide(Commands, () => new ExecaRunner());
    const threads = config.luksmith.worker_threads;
    container.provide(Engine, () => new LuksEngine({ threads }));
    container.provide(Cache, (resolver) => newCache(config, resolver));
    container.provide(Keys, (resolver) => {
      const keys = auditedKeys(keysOf(config, resolver, onKeyManager), audit);
      return onKeyManager ? observedKeys(keys, onKeyManager) : keys;
    });
    container.provide(ImageServicesToken, (resolver) => ({
      keys: resolver.get(Keys),
      luks: resolver.get(Engine),
      commands: resolver.get(Commands),
      cache: resolver.get(Cache),
      policy: {
        pbkdfIterations: config.luksmith.pbkdf_iterations,
        verify: config.luksmith.verify,
        preallocate: config.DEFAULT.preallocate_images,
        forceRaw: config.DEFAULT.force_raw_images,
        commandTimeoutMs: config.luksmith.command_timeout * 1000,
      },
      mapped: auditedMappings(audit),
    }));
    const loader = new PluginLoader(config.settings(), container, importModule, {
      timeoutMs: config.luksmith.plugin_timeout * 1000,
      locate: (section, name) => placeOf(config, section, name),
    });
    await load(loader, container);
    if (!container.has(Images))
      container.provide(Images, (resolver) => {
        const commands = resolver.get(Commands);
        const vmdkCreateTypes = config.compute.vmdk_allowed_types;
        const { images_path: path, images_verify_hash: verifyHash } = config.luksmith;
        return new DirectoryImageService(path, { commands, vmdkCreateTypes, verifyHash });
      });
    return new HostServices(container, config);
  }

  get keys(): KeyManager {
    return this.#container.get(Keys);
  }

  /** Whether one is configured; does not open it. */
  get hasKeyManager(): boolean {
    return this.#container.has(KeyManagers);
  }

  /** What images are lent. */
  get lent(): ImageServices {
    return this.#container.get(ImageServicesToken);
  }

  /** @throws `ConfigInvalid` where no plugin runs guests */
  get hypervisor(): Hypervisor {
    if (this.hasHypervisor) return this.#container.get(Hypervisors);
    throw new LuksmithError(
      "ConfigInvalid",
      "no configured plugin runs guests; add @luksmith/libvirt/plugin to [luksmith] plugins",
    );
  }

  /** Whether one is configured; does not talk to it. */
  get hasHypervisor(): boolean {
    return this.#container.has(Hypervisors);
  }

  /** Where this host keeps copies of secrets, if it does. */
  get copies(): KeptCopies {
    const there = this.#container.has(HostCopiesToken) ? this.#container.get(HostCopiesToken) : undefined;
    return new KeptCopies(this.#config, () => this.keys, there);
  }

  get luks(): LuksEngine {
    return this.#container.get(Engine);
  }

  get images(): ImageService {
    return this.#container.get(Images);
  }

  get backendExtensions(): readonly BackendExtension[] {
    return this.#container.all(BackendExtensions);
  }

  /**
   * As the plugins provide them, with what others add to them.
   * @throws `PluginConflict` for two of one name
   */
  get backends(): readonly ImageBackend[] {
    const extensions = this.backendExtensions;
    const provided = this.#container.all(ImageBackends);
    requireNamesApart(provided);
    return provided.map((backend) =>
      extensions
        .filter(({ backend: name }) => name === backend.name)
        .reduce((extended, extension) => extension.extend(extended), backend),
    );
  }

  get traitProviders(): readonly TraitProvider[] {
    return this.#container.all(TraitProviders);
  }

  get traitReporters(): readonly TraitReporter[] {
    return this.#container.all(TraitReporters);
  }

  /** What plugins have `luksmith doctor` look at. */
  get healthChecks(): readonly HealthCheck[] {
    return this.#container.all(HealthChecks).flat();
  }

  get cache(): ImageCache {
    return this.#container.get(Cache);
  }

  /**
   * The backend that `[libvirt] images_type` selects for new disks.
   * @throws `ConfigInvalid` also where the old host-wide encryption is asked for and the backend cannot do it: disks
   * must not come out plain
   */
  get chosenBackend(): ImageBackend {
    const loaded = this.backends.map(({ name }) => name);
    const backend = this.backend(imagesBackendName(this.#config, loaded));
    if (
      this.#config.ephemeral_storage_encryption.enabled &&
      !backend.capabilities.encryption.includes("plain")
    ) {
      throw new LuksmithError(
        "ConfigInvalid",
        `[ephemeral_storage_encryption] enabled needs images_type = lvm and @luksmith/legacy-dmcrypt in [luksmith] plugins; the backend ${backend.name} cannot do it here: unset it and ask for encryption by flavor or image (hw:ephemeral_encryption)`,
        { details: { backend: backend.name } },
      );
    }
    return backend;
  }

  /**
   * The backend that made a disk.
   * @throws `ConfigInvalid`
   */
  backend(name: string): ImageBackend {
    const { backends } = this;
    const backend = backends.find((each) => each.name === name);
    if (backend) return backend;
    const names = backends.map((each) => each.name).join(", ") || "none";
    throw new LuksmithError(
      "ConfigInvalid",
      `no configured plugin provides the image backend ${name} (configured: ${names}); add its plugin to [luksmith] plugins, or choose another [libvirt] images_type`,
      { details: { backend: name } },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#container[Symbol.asyncDispose]();
  }
}
