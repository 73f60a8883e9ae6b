import type { HostConfig } from "../../config/host-config.ts";
import { isLuksmithError, LuksmithError } from "../../errors/luksmith-error.ts";
import type { HealthCheck, HealthSubject } from "../../health/health-check.ts";
import { type HealthReport, runChecks } from "../../health/run-checks.ts";
import type { OpContext } from "../../image/op-context.ts";
import { ReadableHost, type WritableHost } from "../host.ts";
import type { HostServices } from "../host-services.ts";
import type { ImportModule } from "../plugins/load-plugins.ts";
import { hostCommands } from "../host-commands.ts";
import { configChecks } from "./checks/config-checks.ts";
import { cryptoChecks } from "./checks/crypto-checks.ts";
import { memoryChecks } from "./checks/memory-checks.ts";
import { serviceChecks } from "./checks/service-checks.ts";
import { stateChecks } from "./checks/state-checks.ts";
import { storageChecks } from "./checks/storage-checks.ts";
import { trialChecks } from "./checks/trial-checks.ts";
import { versionChecks } from "./checks/version-checks.ts";
import type { DoctorHost } from "./doctor-host.ts";
import { SystemView } from "./system-view.ts";

export interface DiagnoseOptions {
  /** Only looks: leaves out what makes a secret or a disk for a moment. */
  readonly lookOnly: boolean;
  /** Only these checks, by their ids; empty: all. */
  readonly only?: readonly string[];
  /** Where /proc and /sys are; for tests. */
  readonly systemRoot?: string;
}

/** Gets at the host, each part when a check asks for it. */
export interface DiagnosedHost {
  readonly config: HostConfig;
  readonly importModule: ImportModule;
  /** @throws `StateLocked` */
  write(): Promise<WritableHost>;
  /** What the daemon has open. */
  readonly daemon?: WritableHost;
}

/**
 * Looks at everything that keeps this host from making, opening and erasing encrypted disks, or lets their keys out. Each check has
 * its time; nothing that is broken keeps the other checks from being made.
 * @throws `Cancelled`
 */
export async function diagnose(
  of: DiagnosedHost,
  { lookOnly, only = [], systemRoot }: DiagnoseOptions,
  ctx: OpContext,
): Promise<HealthReport> {
  await using parts = new HostParts(of);
  const host: DoctorHost = {
    config: of.config,
    system: new SystemView(systemRoot),
    host: async () => parts.host(),
    services: () => parts.services(),
    change: (use) => change(of, use),
    isDaemon: of.daemon !== undefined,
  };
  const before = [
    ...configChecks(host),
    ...versionChecks(host, hostCommands()),
    ...memoryChecks(host),
    ...cryptoChecks(host),
    ...storageChecks(host),
    ...stateChecks(host),
    ...serviceChecks(host),
  ];
  const after = trialChecks(host);
  const own = new Set([...before, ...after].map(({ id }) => id));
  const others = only.length === 0 || only.some((id) => !own.has(id)) ? await pluginChecks(host) : [];
  const checks = [...before, ...others, ...after];
  requireKnown(checks, only);
  const chosen = checks.filter(
    ({ id, writes }) => !(lookOnly && writes) && (only.length === 0 || only.includes(id)),
  );
  return await runChecks(chosen, await subjectOf(host), ctx);
}

/** @throws `UsageError` */
function requireKnown(checks: readonly HealthCheck[], only: readonly string[]): void {
  const unknown = only.filter((wanted) => !checks.some(({ id }) => id === wanted));
  if (unknown.length === 0) return;
  throw new LuksmithError(
    "UsageError",
    `there is no check ${unknown.join(", ")} here; there are ${checks.map(({ id }) => id).join(", ")}`,
  );
}

/** A host whose state, or whose plugins, may be what is broken: each is opened by itself, once. */
class HostParts implements AsyncDisposable {
  readonly #of: DiagnosedHost;
  #readable: ReadableHost | undefined;
  #plugins: ReadableHost | undefined;

  constructor(of: DiagnosedHost) {
    this.#of = of;
  }

  host(): ReadableHost {
    const { daemon, config, importModule } = this.#of;
    return daemon ?? (this.#readable ??= ReadableHost.read(config, importModule));
  }

  services(): Promise<HostServices> {
    const { daemon, config, importModule } = this.#of;
    return (daemon ?? (this.#plugins ??= ReadableHost.withoutState(config, importModule))).services();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#plugins?.[Symbol.asyncDispose]();
    await this.#readable?.[Symbol.asyncDispose]();
  }
}

/** What is wrong with the plugins themselves, the check `plugins` says. */
async function pluginChecks(host: DoctorHost): Promise<readonly HealthCheck[]> {
  const services = await host.services().catch(() => undefined);
  return services?.healthChecks ?? [];
}

async function subjectOf(host: DoctorHost): Promise<HealthSubject> {
  const inventory = await host.host().then(
    (readable) => readable.inventory,
    () => undefined,
  );
  return { instances: inventory?.instances() ?? [] };
}

async function change<T>(of: DiagnosedHost, use: (host: WritableHost) => Promise<T>): Promise<T | undefined> {
  if (of.daemon) return await use(of.daemon);
  let host: WritableHost;
  try {
    host = await of.write();
  } catch (error) {
    if (isLuksmithError(error) && error.code === "StateLocked") return undefined;
    throw error;
  }
  await using opened = host;
  return await use(opened);
}
