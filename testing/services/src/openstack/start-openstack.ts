import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeConfiguration } from "./configuration.ts";
import { freePorts } from "./free-ports.ts";
import { OpenStack, type OpenStackInfo } from "./openstack.ts";
import { PEOPLE, USER_NAMES, type UserName } from "./people.ts";
import { seed } from "./seed.ts";
import { PortTaken, ServiceProcess } from "./service-process.ts";
import { SERVICE_NAMES, type ServiceName, urlOf } from "./services.ts";

export interface OpenStackOptions {
  /** Keystone comes always. Default: all. Fewer are there sooner. */
  readonly services?: readonly ServiceName[];
  /** Life of a token. Default 3600. `issueToken` can make shorter-lived ones in any environment. */
  readonly tokenTtlSeconds?: number;
  /** For the whole start. Default 300 seconds: a busy machine takes its time. */
  readonly timeoutMs?: number;
}

/** An environment of one's own: stop services, start them again, dispose of all. */
export class OwnOpenStack extends OpenStack implements AsyncDisposable {
  readonly #processes: ReadonlyMap<ServiceName, ServiceProcess>;

  constructor(info: OpenStackInfo, processes: ReadonlyMap<ServiceName, ServiceProcess>) {
    super(info);
    this.#processes = processes;
  }

  /** Returns when it is gone; its port then refuses. Does nothing if it does not run. */
  async stopService(name: ServiceName, by: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    await this.#process(name).stop(by);
  }

  /** On the same port, with the same data; returns when it answers. Does nothing if it runs. */
  async startService(name: ServiceName, timeoutMs = 300_000): Promise<void> {
    await this.#process(name).start(AbortSignal.timeout(timeoutMs));
  }

  /** Process ids of what runs. */
  get pids(): readonly number[] {
    return [...this.#processes.values()].flatMap(({ pid }) => pid ?? []);
  }

  /** The end of a service's log. */
  logTail(name: ServiceName): string {
    return this.#process(name).logTail();
  }

  /** Stops all and removes the state; again, it does nothing. */
  async [Symbol.asyncDispose](): Promise<void> {
    await stopAll(this.#processes, this.info.stateDirectory);
  }

  #process(name: ServiceName): ServiceProcess {
    const found = this.#processes.get(name);
    if (found === undefined) throw new Error(`${name} is not among the services of this environment`);
    return found;
  }
}

/** Starts an environment with state of its own. If a service does not come up, nothing stays. */
export async function startOpenStack(options: OpenStackOptions = {}): Promise<OwnOpenStack> {
  const signal = AbortSignal.timeout(options.timeoutMs ?? 300_000);
  for (;;) {
    try {
      return await startOnce(options, signal);
    } catch (error) {
      if (!(error instanceof PortTaken) || signal.aborted) throw error;
    }
  }
}

async function startOnce(options: OpenStackOptions, signal: AbortSignal): Promise<OwnOpenStack> {
  // mkdtemp makes it for its owner only.
  const stateDirectory = await mkdtemp(join(tmpdir(), "luksmith-openstack-"));
  const processes = new Map<ServiceName, ServiceProcess>();
  try {
    return new OwnOpenStack(await bringUp(options, stateDirectory, processes, signal), processes);
  } catch (error) {
    await stopAll(processes, stateDirectory);
    throw error;
  }
}

async function bringUp(
  { services: wanted = SERVICE_NAMES, tokenTtlSeconds = 3600 }: OpenStackOptions,
  stateDirectory: string,
  processes: Map<ServiceName, ServiceProcess>,
  signal: AbortSignal,
): Promise<OpenStackInfo> {
  const services = SERVICE_NAMES.filter((name) => name === "keystone" || wanted.includes(name));
  const numbers = await freePorts(SERVICE_NAMES.length);
  // Ports of services that do not run refuse, as those of stopped ones do.
  const ports = byName(SERVICE_NAMES, (_, index) => numbers[index] ?? 0);
  const passwords = passwordsFor();
  await makeState(stateDirectory);
  for (const name of services) {
    const servicePassword = passwords.barbican;
    await writeConfiguration(name, { stateDirectory, ports, servicePassword, tokenTtlSeconds });
    const env = name === "keystone" ? bootstrapEnv(urlOf(name, ports[name]), passwords.admin) : {};
    processes.set(name, new ServiceProcess(name, ports[name], stateDirectory, env));
  }
  const seedAfterKeystone = async () => {
    await processes.get("keystone")?.start(signal);
    return seed({ ports, services, passwordOf: (user) => passwords[user] });
  };
  const others = [...processes.values()].filter(({ name }) => name !== "keystone");
  // Others need Keystone only when they are called.
  const [seeded] = await Promise.all([seedAfterKeystone(), ...others.map((each) => each.start(signal))]);
  return {
    stateDirectory,
    urls: byName(SERVICE_NAMES, (name) => urlOf(name, ports[name])),
    passwords,
    ...seeded,
  };
}

async function makeState(stateDirectory: string): Promise<void> {
  for (const name of ["db", "log", "fernet-keys", "credential-keys"]) await mkdir(join(stateDirectory, name));
  for (const repository of ["fernet-keys", "credential-keys"]) {
    for (const index of ["0", "1"]) {
      const key = `${randomBytes(32).toString("base64url")}=`;
      await writeFile(join(stateDirectory, repository, index), key, { mode: 0o600 });
    }
  }
}

/** One for each user, but for the service users: Barbican's password is Placement's and Glance's too. */
function passwordsFor(): Record<UserName, string> {
  const service = randomBytes(16).toString("hex");
  return byName(USER_NAMES, (name) =>
    PEOPLE[name].project === "service" ? service : randomBytes(16).toString("hex"),
  );
}

function bootstrapEnv(url: string, password: string): Record<string, string> {
  return {
    OS_BOOTSTRAP_PASSWORD: password,
    OS_BOOTSTRAP_REGION_ID: "RegionOne",
    OS_BOOTSTRAP_PUBLIC_URL: url,
    OS_BOOTSTRAP_INTERNAL_URL: url,
    OS_BOOTSTRAP_ADMIN_URL: url,
  };
}

async function stopAll(
  processes: ReadonlyMap<ServiceName, ServiceProcess>,
  stateDirectory: string,
): Promise<void> {
  await Promise.all([...processes.values()].map((each) => each.stop("SIGKILL")));
  await rm(stateDirectory, { recursive: true, force: true });
}

function byName<K extends string, V>(
  names: readonly K[],
  value: (name: K, index: number) => V,
): Record<K, V> {
  // Each name is one of the keys.
  return Object.fromEntries(names.map((name, index) => [name, value(name, index)])) as Record<K, V>;
}
