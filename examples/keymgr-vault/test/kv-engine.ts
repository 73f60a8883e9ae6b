/** Answers as Vault's HTTP API documents them: developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2, openbao.org the same. */
export interface Reply {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

interface Version {
  readonly data: unknown;
  readonly created_time: string;
  deletion_time: string;
  destroyed: boolean;
}

interface Secret {
  readonly created_time: string;
  custom_metadata: Record<string, string> | null;
  cas_required: boolean;
  readonly versions: Version[];
}

const errors = (status: number, ...texts: string[]): Reply => ({ status, body: { errors: texts } });
const NOTHING = errors(404);
/** With nine digits of a second, as Go prints them. */
const now = (): string => new Date().toISOString().replace("Z", "123456Z");

/** A KV engine of version 2, as far as its documentation goes. */
export class KvEngine {
  readonly secrets = new Map<string, Secret>();
  /** Of the engine's configuration: `delete_version_after`. */
  deleteVersionAfterMs = 0;

  handle(method: string, path: string, query: URLSearchParams, body: unknown): Reply {
    const [, kind, key = ""] = /^(data|metadata)\/(.*)$/.exec(path) ?? [];
    if (kind === "data") {
      if (method === "GET") return this.#read(key, Number(query.get("version") ?? 0));
      if (method === "POST") return this.#write(key, body as WriteBody);
      if (method === "DELETE") return this.#softDelete(key);
    }
    if (kind === "metadata") {
      if (method === "GET") return query.get("list") === "true" ? this.#list(key) : this.#metadata(key);
      if (method === "POST") return this.#describe(key, body as Partial<Secret>);
      if (method === "DELETE") {
        this.secrets.delete(key);
        return { status: 204 };
      }
    }
    const hint =
      "Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API endpoints to use.";
    return errors(404, hint);
  }

  #read(key: string, wanted: number): Reply {
    const secret = this.secrets.get(key);
    const version = wanted || (secret?.versions.length ?? 0);
    const found = secret?.versions[version - 1];
    if (!secret || !found) return NOTHING;
    const { created_time, deletion_time, destroyed } = found;
    const metadata = {
      version,
      created_time,
      deletion_time,
      destroyed,
      custom_metadata: secret.custom_metadata,
    };
    const gone = destroyed || (deletion_time !== "" && Date.parse(deletion_time) <= Date.now());
    return { status: gone ? 404 : 200, body: { data: { data: gone ? null : found.data, metadata } } };
  }

  #write(key: string, { options, data }: WriteBody): Reply {
    if (data === undefined) return errors(400, "no data provided");
    const secret = this.#at(key);
    const cas = options?.cas;
    if (cas === undefined && secret.cas_required) {
      return errors(400, "check-and-set parameter required for this call");
    }
    if (cas !== undefined && cas !== secret.versions.length) {
      return errors(400, "check-and-set parameter did not match the current version");
    }
    const ends = this.deleteVersionAfterMs && new Date(Date.now() + this.deleteVersionAfterMs).toISOString();
    const version = { data, created_time: now(), deletion_time: ends || "", destroyed: false };
    secret.versions.push(version);
    this.secrets.set(key, secret);
    const { data: _data, ...rest } = version;
    return { status: 200, body: { data: { version: secret.versions.length, ...rest } } };
  }

  #softDelete(key: string): Reply {
    const last = this.secrets.get(key)?.versions.at(-1);
    if (last) last.deletion_time = now();
    return { status: 204 };
  }

  #list(folder: string): Reply {
    const keys = [...this.secrets.keys()]
      .filter((key) => key.startsWith(folder))
      .map((key) => /^[^/]*\/?/.exec(key.slice(folder.length))?.[0] ?? "");
    return keys.length > 0
      ? { status: 200, body: { data: { keys: [...new Set(keys)].toSorted() } } }
      : NOTHING;
  }

  #metadata(key: string): Reply {
    const secret = this.secrets.get(key);
    if (!secret) return NOTHING;
    const { versions, ...rest } = secret;
    return { status: 200, body: { data: { ...rest, current_version: versions.length } } };
  }

  #describe(key: string, { custom_metadata, cas_required }: Partial<Secret>): Reply {
    for (const value of Object.values(custom_metadata ?? {})) {
      if (Buffer.byteLength(value) > 512) return errors(400, "custom_metadata validation failed");
    }
    const secret = this.#at(key);
    if (custom_metadata) secret.custom_metadata = custom_metadata;
    if (cas_required !== undefined) secret.cas_required = cas_required;
    this.secrets.set(key, secret);
    return { status: 204 };
  }

  #at(key: string): Secret {
    const fresh = { created_time: now(), custom_metadata: null, cas_required: false, versions: [] };
    return this.secrets.get(key) ?? fresh;
  }
}

interface WriteBody {
  readonly options?: { readonly cas?: number };
  readonly data?: unknown;
}
