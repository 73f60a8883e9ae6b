import type { OpContext, Passphrase } from "@luksmith/core";
import { explained } from "../libvirt-error.ts";
import type { LibvirtSecrets, SecretAttributes, SecretEntry, SecretEvent } from "../libvirt-secrets.ts";
import { type LibvirtSecret, secretXml } from "../secret-xml.ts";
import { parseSecretXml } from "../secrets/parse-secret-xml.ts";
import { ERROR_NUMBER, RemoteError } from "./remote-error.ts";
import type { RpcConnection } from "./rpc-connection.ts";
import { secret, type WireSecret, writeSecret, writeUuid } from "./wire-types.ts";

const NO_FLAGS = 0;
const MAX_SECRETS = 16_384;
const USAGE_TYPES = ["none", "volume", "ceph", "iscsi", "tls", "vtpm"];
const VOLUME = USAGE_TYPES.indexOf("volume");
const LIFECYCLE_EVENT = 0;
const DEFINED = 0;

export class RpcSecrets implements LibvirtSecrets {
  readonly #connection: RpcConnection;

  constructor(connection: RpcConnection) {
    this.#connection = connection;
  }

  async list(ctx: OpContext): Promise<readonly SecretEntry[]> {
    const found = await explained("listing libvirt's secrets", {}, () =>
      this.#connection.call(
        "connectListAllSecrets",
        {
          write: (writer) => writer.int(1).uint(NO_FLAGS),
          read: (reader) => reader.array(MAX_SECRETS, secret),
        },
        ctx,
      ),
    );
    return found.map(entry);
  }

  async find(uuid: string, ctx: OpContext): Promise<SecretEntry | undefined> {
    const found = await orAbsent(uuid, () =>
      this.#connection.call(
        "secretLookupByUuid",
        { write: (writer) => writeUuid(writer, uuid), read: secret },
        ctx,
      ),
    );
    return found && entry(found);
  }

  async findByUsage(usage: string, ctx: OpContext): Promise<SecretEntry | undefined> {
    const found = await orAbsent(usage, () =>
      this.#connection.call(
        "secretLookupByUsage",
        { write: (writer) => writer.int(VOLUME).string(usage), read: secret },
        ctx,
      ),
    );
    return found && entry(found);
  }

  async attributes(uuid: string, ctx: OpContext): Promise<SecretAttributes | undefined> {
    const xml = await orAbsent(uuid, () =>
      this.#connection.call(
        "secretGetXmlDesc",
        {
          write: (writer) => writeSecret(writer, uuid).uint(NO_FLAGS),
          read: (reader) => reader.string(),
        },
        ctx,
      ),
    );
    return xml === undefined ? undefined : parseSecretXml(xml);
  }

  async define(definition: LibvirtSecret, ctx: OpContext): Promise<void> {
    await this.#explained(definition.uuid, "defining", () =>
      this.#connection.call(
        "secretDefineXml",
        {
          write: (writer) => writer.string(secretXml(definition)).uint(NO_FLAGS),
          read: secret,
          changes: definition.uuid,
        },
        ctx,
      ),
    );
  }

  async setValue(uuid: string, passphrase: Passphrase, ctx: OpContext): Promise<void> {
    await this.#explained(uuid, "setting the value of", () =>
      this.#connection.call(
        "secretSetValue",
        {
          write: (writer) => {
            writeSecret(writer, uuid);
            passphrase.use((bytes) => writer.opaque(bytes));
            writer.uint(NO_FLAGS);
          },
          read: () => {},
          secret: true,
          changes: uuid,
        },
        ctx,
      ),
    );
  }

  async undefine(uuid: string, ctx: OpContext): Promise<boolean> {
    const undefine = () =>
      this.#connection.call(
        "secretUndefine",
        { write: (writer) => writeSecret(writer, uuid), read: () => true, changes: uuid },
        ctx,
      );
    return (await orAbsent(uuid, undefine)) ?? false;
  }

  async onChange(listener: (event: SecretEvent) => void, ctx: OpContext): Promise<void> {
    this.#connection.onEvent("secretEventLifecycle", (body) => {
      body.int();
      const { uuid, usage } = secret(body);
      listener({ uuid, usage, kind: body.int() === DEFINED ? "defined" : "undefined" });
    });
    await explained("asking libvirt for news of secrets", {}, () =>
      this.#connection.call(
        "connectSecretEventRegisterAny",
        { write: (writer) => writer.int(LIFECYCLE_EVENT).uint(0), read: (reader) => reader.int() },
        ctx,
      ),
    );
  }

  #explained<T>(uuid: string, doing: string, run: () => Promise<T>): Promise<T> {
    return explained(`${doing} libvirt's secret ${uuid}`, { secret: uuid }, run);
  }
}

function orAbsent<T>(which: string, run: () => Promise<T>): Promise<T | undefined> {
  return explained(`looking for libvirt's secret ${which}`, { secret: which }, async () => {
    try {
      return await run();
    } catch (error) {
      if (error instanceof RemoteError && error.number === ERROR_NUMBER.noSecret) return undefined;
      throw error;
    }
  });
}

function entry({ uuid, usageType, usage }: WireSecret): SecretEntry {
  return { uuid, usageType: USAGE_TYPES[usageType] ?? String(usageType), usage };
}
