import { randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { BARBICAN_PASTE, GLANCE_PASTE } from "./paste.ts";
import { SERVICES, type ServiceName, urlOf } from "./services.ts";

type Ini = Readonly<Record<string, Readonly<Record<string, string | number | boolean>>>>;

export interface ConfigurationInput {
  /** Exists, and only its owner may enter it. */
  readonly stateDirectory: string;
  readonly ports: Readonly<Record<ServiceName, number>>;
  readonly servicePassword: string;
  readonly tokenTtlSeconds: number;
}

/** Writes the files of one service. Done again, it writes the same but for Barbican's key. */
export async function writeConfiguration(service: ServiceName, input: ConfigurationInput): Promise<void> {
  const directory = join(input.stateDirectory, service);
  await mkdir(directory, { recursive: true });
  for (const [name, text] of Object.entries(filesOf(service, input))) {
    await writeFile(join(directory, name), text, { mode: 0o600 });
  }
}

function filesOf(service: ServiceName, input: ConfigurationInput): Record<string, string> {
  switch (service) {
    case "keystone":
      return { "keystone.conf": ini(keystone(input)) };
    case "barbican":
    case "barbican-new":
      return { "barbican.conf": ini(barbican(service, input)), "paste.ini": BARBICAN_PASTE };
    case "placement":
      return { "placement.conf": ini(placement(input)) };
    case "glance":
      return { "glance-api.conf": ini(glance(input)), "glance-api-paste.ini": GLANCE_PASTE };
  }
}

function keystone({ stateDirectory, tokenTtlSeconds }: ConfigurationInput): Ini {
  return {
    DEFAULT: { use_stderr: true },
    database: { connection: database(stateDirectory, "keystone"), sqlite_synchronous: false },
    fernet_tokens: { key_repository: join(stateDirectory, "fernet-keys") },
    // Without it, bootstrap wants /etc/keystone/fernet-keys.
    fernet_receipts: { key_repository: join(stateDirectory, "fernet-keys") },
    credential: { key_repository: join(stateDirectory, "credential-keys") },
    token: { expiration: tokenTtlSeconds },
    // The fewest rounds that bcrypt has.
    identity: { password_hash_rounds: 4 },
    // Four times faster than none, and right because Keystone is one process.
    cache: {
      enabled: true,
      backend: "dogpile.cache.memory",
      proxies: "oslo_cache.testing.CacheIsolatingProxy",
    },
  };
}

function barbican(service: "barbican" | "barbican-new", input: ConfigurationInput): Ini {
  const connection = database(input.stateDirectory, service);
  const newPolicy = service === "barbican-new";
  return {
    DEFAULT: {
      host_href: urlOf(service, input.ports[service]),
      // The older releases' name of [database] connection.
      sql_connection: connection,
      db_auto_create: false,
      // No broker; orders are done at once.
      transport_url: "fake://",
      use_stderr: true,
    },
    database: { connection },
    queue: { enable: false },
    secretstore: { enabled_secretstore_plugins: "store_crypto" },
    crypto: { enabled_crypto_plugins: "simple_crypto" },
    simple_crypto_plugin: { kek: randomBytes(32).toString("base64") },
    oslo_policy: { enforce_new_defaults: newPolicy, enforce_scope: newPolicy },
    keystone_authtoken: authtoken(service, "barbican", input),
  };
}

function placement(input: ConfigurationInput): Ini {
  return {
    DEFAULT: { use_stderr: true },
    placement_database: {
      connection: database(input.stateDirectory, "placement"),
      sqlite_synchronous: false,
    },
    api: { auth_strategy: "keystone" },
    keystone_authtoken: authtoken("placement", "placement", input),
  };
}

function glance(input: ConfigurationInput): Ini {
  const directory = (name: string) => join(input.stateDirectory, "glance", name);
  return {
    DEFAULT: { use_stderr: true, enabled_backends: "files:file" },
    database: { connection: database(input.stateDirectory, "glance"), sqlite_synchronous: false },
    glance_store: { default_backend: "files" },
    files: { filesystem_store_datadir: directory("images") },
    os_glance_staging_store: { filesystem_store_datadir: directory("staging") },
    os_glance_tasks_store: { filesystem_store_datadir: directory("tasks") },
    paste_deploy: { flavor: "keystone", config_file: directory("glance-api-paste.ini") },
    keystone_authtoken: authtoken("glance", "glance", input),
  };
}

function authtoken(service: ServiceName, username: string, input: ConfigurationInput): Ini[string] {
  const url = urlOf("keystone", input.ports.keystone);
  return {
    auth_type: "password",
    auth_url: url,
    www_authenticate_uri: url,
    username,
    password: input.servicePassword,
    project_name: "service",
    user_domain_id: "default",
    project_domain_id: "default",
    region_name: "RegionOne",
    interface: "internal",
    // Without it, application credentials with access rules get 401.
    service_type: SERVICES[service].type,
    service_token_roles: "service",
    service_token_roles_required: true,
    // A revoked token is refused at once. The default, 300 seconds, still lets it read a payload.
    token_cache_time: -1,
  };
}

function database(stateDirectory: string, service: ServiceName): string {
  return `sqlite:///${join(stateDirectory, "db", `${service}.db`)}`;
}

function ini(sections: Ini): string {
  return Object.entries(sections)
    .map(([name, options]) => `[${name}]\n${linesOf(options)}`)
    .join("");
}

function linesOf(options: Ini[string]): string {
  return Object.entries(options)
    .map(([key, value]) => `${key} = ${value}\n`)
    .join("");
}
