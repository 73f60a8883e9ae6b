import type { OpContext } from "@luksmith/core";
import type { Libvirt, LibvirtVersion } from "../libvirt.ts";
import { explained } from "../libvirt-error.ts";
import { openConnection } from "./open-connection.ts";
import type { ConnectOptions, RpcConnection } from "./rpc-connection.ts";
import { RpcDisks } from "./rpc-disks.ts";
import { RpcDomains } from "./rpc-domains.ts";
import { RpcMigrations } from "./rpc-migrations.ts";
import { RpcSecrets } from "./rpc-secrets.ts";

/**
 * Connects to the libvirt of `[libvirt] connection_uri` (empty: `qemu:///system`); the caller disposes it.
 * @throws `LibvirtUnavailable`, `LibvirtAccessDenied`, `LibvirtUriUnsupported`, `LibvirtTimedOut`, `Cancelled`
 */
export async function connectLibvirt(
  connectionUri: string,
  ctx: OpContext,
  options: ConnectOptions = {},
): Promise<Libvirt> {
  const what = `opening libvirt at ${connectionUri || "qemu:///system"}`;
  return new RpcLibvirt(
    await explained(what, { uri: connectionUri }, () => openConnection(connectionUri, ctx, options)),
  );
}

class RpcLibvirt implements Libvirt {
  readonly secrets: RpcSecrets;
  readonly domains: RpcDomains;
  readonly disks: RpcDisks;
  readonly migrations: RpcMigrations;
  readonly #connection: RpcConnection;

  constructor(connection: RpcConnection) {
    this.#connection = connection;
    this.secrets = new RpcSecrets(connection);
    this.domains = new RpcDomains(connection);
    this.disks = new RpcDisks(connection, this.domains);
    this.migrations = new RpcMigrations(connection);
  }

  get closed(): Promise<Error | undefined> {
    return this.#connection.closed;
  }

  version(ctx: OpContext): Promise<LibvirtVersion> {
    const read = { read: (reader: { hyper(): bigint }) => dotted(reader.hyper()) };
    return explained("asking libvirt for its version", {}, async () => ({
      libvirt: await this.#connection.call("connectGetLibVersion", read, ctx),
      qemu: await this.#connection.call("connectGetVersion", read, ctx),
    }));
  }

  capabilities(ctx: OpContext): Promise<string> {
    return explained("asking libvirt what the host can do", {}, () =>
      this.#connection.call("connectGetCapabilities", { read: (reader) => reader.string() }, ctx),
    );
  }

  [Symbol.dispose](): void {
    this.#connection[Symbol.dispose]();
  }
}

/** libvirt packs versions as a million times the first part, and so on. */
function dotted(packed: bigint): string {
  return `${packed / 1_000_000n}.${(packed / 1000n) % 1000n}.${packed % 1000n}`;
}
