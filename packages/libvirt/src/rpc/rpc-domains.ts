import { isLuksmithError, type OpContext } from "@luksmith/core";
import type { Domain, DomainEvent, DomainState, LibvirtDomains, StartOptions } from "../libvirt-domains.ts";
import { explained } from "../libvirt-error.ts";
import {
  NO_FLAGS,
  MAX_DOMAINS,
  DEFINE_VALIDATE,
  CREATE_PAUSED,
  XML_INACTIVE,
  XML_MIGRATABLE,
  OFF_BECAUSE_MIGRATED,
  UNDEFINE_ALL,
  LIFECYCLE_EVENT,
  STATES,
  EVENTS,
} from "./domain-numbers.ts";
import type { Procedure } from "./procedures.ts";
import { ERROR_NUMBER, RemoteError } from "./remote-error.ts";
import type { Call, RpcConnection } from "./rpc-connection.ts";
import { domain, type WireDomain, writeDomain, writeUuid } from "./wire-types.ts";
import type { XdrReader } from "./xdr-reader.ts";
import type { XdrWriter } from "./xdr-writer.ts";

/** QEMU opens its disks, and stretches their keys, while a start waits. */
const START_TIMEOUTS = 2;

export class RpcDomains implements LibvirtDomains {
  readonly #connection: RpcConnection;

  constructor(connection: RpcConnection) {
    this.#connection = connection;
  }

  async list(ctx: OpContext): Promise<readonly Domain[]> {
    const call = {
      write: (writer: XdrWriter) => writer.int(1).uint(NO_FLAGS),
      read: (reader: XdrReader) => reader.array(MAX_DOMAINS, domain),
    };
    const found = await explained("listing libvirt's guests", {}, () =>
      this.#connection.call("connectListAllDomains", call, ctx),
    );
    return found.map(view);
  }

  find(uuid: string, ctx: OpContext): Promise<Domain | undefined> {
    return explained(`looking for guest ${uuid}`, { guest: uuid }, () =>
      orAbsent(async () =>
        view(
          await this.#connection.call(
            "domainLookupByUuid",
            { write: (writer) => writeUuid(writer, uuid), read: domain },
            ctx,
          ),
        ),
      ),
    );
  }

  findByName(name: string, ctx: OpContext): Promise<Domain | undefined> {
    return explained(`looking for guest ${name}`, { guest: name }, () =>
      orAbsent(async () =>
        view(
          await this.#connection.call(
            "domainLookupByName",
            { write: (writer) => writer.string(name), read: domain },
            ctx,
          ),
        ),
      ),
    );
  }

  define(xml: string, ctx: OpContext): Promise<Domain> {
    const [, uuid] = /<uuid>\s*([0-9a-f-]{36})\s*<\/uuid>/.exec(xml) ?? [];
    return explained("defining a guest", {}, async () =>
      view(
        await this.#connection.call(
          "domainDefineXmlFlags",
          {
            write: (writer) => writer.string(xml).uint(DEFINE_VALIDATE),
            read: domain,
            ...(uuid === undefined ? {} : { changes: uuid }),
          },
          ctx,
        ),
      ),
    );
  }

  async start(uuid: string, ctx: OpContext, options: StartOptions = {}): Promise<void> {
    const { timeoutMs = START_TIMEOUTS * this.#connection.timeoutMs, paused = false } = options;
    const flags = paused ? CREATE_PAUSED : NO_FLAGS;
    await this.#onDomain("domainCreateWithFlags", "starting", uuid, flags, ctx, { timeoutMs, changes: uuid });
  }

  async shutdown(uuid: string, ctx: OpContext): Promise<void> {
    await this.#onDomain("domainShutdownFlags", "shutting down", uuid, NO_FLAGS, ctx, { changes: uuid });
  }

  async reboot(uuid: string, ctx: OpContext): Promise<void> {
    await this.#onDomain("domainReboot", "rebooting", uuid, NO_FLAGS, ctx, { changes: uuid });
  }

  async suspend(uuid: string, ctx: OpContext): Promise<void> {
    await this.#onDomain("domainSuspend", "suspending", uuid, undefined, ctx, { changes: uuid });
  }

  async resume(uuid: string, ctx: OpContext): Promise<void> {
    await this.#onDomain("domainResume", "resuming", uuid, undefined, ctx, { changes: uuid });
  }

  /** Never waits for a start that hangs: it is what ends that. */
  async destroy(uuid: string, ctx: OpContext): Promise<boolean> {
    if (!this.#connection.isUnsettled(uuid)) return this.#destroy(uuid, ctx);
    const destroyed = await this.#destroy(uuid, ctx).catch(unlessUnknown);
    // An earlier call that nobody waited for may be carried out after this.
    await this.#connection.settled(uuid, ctx);
    return (await this.#destroy(uuid, ctx)) || destroyed;
  }

  async #destroy(uuid: string, ctx: OpContext): Promise<boolean> {
    const call = {
      write: (writer: XdrWriter) => writeDomain(writer, uuid).uint(NO_FLAGS),
      read: () => true,
    };
    return explained(`destroying guest ${uuid}`, { guest: uuid }, async () => {
      try {
        return await this.#connection.call("domainDestroyFlags", call, ctx);
      } catch (error) {
        const notRunning = error instanceof RemoteError && error.number === ERROR_NUMBER.operationInvalid;
        if (notRunning) return false;
        throw error;
      }
    });
  }

  async undefine(uuid: string, ctx: OpContext): Promise<boolean> {
    const call = {
      write: (writer: XdrWriter) => writeDomain(writer, uuid).uint(UNDEFINE_ALL),
      read: () => true,
      changes: uuid,
    };
    const undefine = () => this.#connection.call("domainUndefineFlags", call, ctx);
    return (await explained(`undefining guest ${uuid}`, { guest: uuid }, () => orAbsent(undefine))) ?? false;
  }

  async state(uuid: string, ctx: OpContext): Promise<DomainState> {
    const read = (reader: XdrReader) => STATES[reader.int()] ?? "no-state";
    return this.#onDomain("domainGetState", "looking at", uuid, NO_FLAGS, ctx, { read });
  }

  async leftByMigration(uuid: string, ctx: OpContext): Promise<boolean> {
    const read = (reader: XdrReader) => {
      const off = STATES[reader.int()] === "off";
      return off && reader.int() === OFF_BECAUSE_MIGRATED;
    };
    return this.#onDomain("domainGetState", "looking at", uuid, NO_FLAGS, ctx, { read });
  }

  async xml(
    uuid: string,
    ctx: OpContext,
    which: "current" | "persistent" | "migratable" = "current",
  ): Promise<string> {
    const flags = { current: NO_FLAGS, persistent: XML_INACTIVE, migratable: XML_MIGRATABLE }[which];
    const read = (reader: XdrReader) => reader.string();
    return this.#onDomain("domainGetXmlDesc", "reading the XML of", uuid, flags, ctx, { read });
  }

  async onChange(listener: (event: DomainEvent) => void, ctx: OpContext): Promise<void> {
    this.#connection.onEvent("domainEventCallbackLifecycle", (body) => {
      body.int();
      const { uuid, name } = domain(body);
      listener({ uuid, name, kind: EVENTS[body.int()] ?? "unknown" });
    });
    await explained("asking libvirt for news of guests", {}, () =>
      this.#connection.call(
        "connectDomainEventCallbackRegisterAny",
        { write: (writer) => writer.int(LIFECYCLE_EVENT).uint(0), read: (reader) => reader.int() },
        ctx,
      ),
    );
  }

  async settle(uuid: string, ctx: OpContext): Promise<void> {
    await this.#connection.settled(uuid, ctx);
  }

  /** A call whose arguments are a domain and perhaps flags. */
  async #onDomain<T = void>(
    procedure: Procedure,
    doing: string,
    uuid: string,
    flags: number | undefined,
    ctx: OpContext,
    options: Partial<Pick<Call<T>, "read" | "timeoutMs" | "changes">> = {},
  ): Promise<T> {
    const write = (writer: XdrWriter) => {
      writeDomain(writer, uuid);
      if (flags !== undefined) writer.uint(flags);
    };
    // Without `read`, T is void.
    const read = options.read ?? ((): T => undefined as T);
    const call = { ...options, write, read };
    return explained(`${doing} guest ${uuid}`, { guest: uuid }, () =>
      this.#connection.call(procedure, call, ctx),
    );
  }
}

async function orAbsent<T>(run: () => Promise<T>): Promise<T | undefined> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof RemoteError && error.number === ERROR_NUMBER.noDomain) return undefined;
    throw error;
  }
}

/** Not known yet, perhaps. */
function unlessUnknown(error: unknown): false {
  if (isLuksmithError(error) && error.code === "DomainNotFound") return false;
  throw error;
}

function view({ uuid, name, id }: WireDomain): Domain {
  return { uuid, name, active: id !== -1 };
}
