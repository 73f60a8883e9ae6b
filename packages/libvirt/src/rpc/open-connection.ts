import { LuksmithError, type OpContext } from "@luksmith/core";
import { type ConnectOptions, RpcConnection } from "./rpc-connection.ts";
import { libvirtAddress, socketOf } from "./socket-path.ts";
import type { XdrWriter } from "./xdr-writer.ts";

const AUTH = { none: 0, polkit: 2 } as const;
const MAX_AUTH_TYPES = 20;
const NO_FLAGS = 0;

/**
 * Connects to the libvirt of `[libvirt] connection_uri`, proves who we are, and opens its QEMU driver.
 * @throws `LibvirtUnavailable`, `LibvirtAccessDenied`, `LibvirtUriUnsupported`, RemoteError
 */
export async function openConnection(
  connectionUri: string,
  ctx: OpContext,
  options: ConnectOptions = {},
): Promise<RpcConnection> {
  const address = libvirtAddress(connectionUri);
  const connection = await RpcConnection.connect(socketOf(address), ctx, options);
  try {
    await authenticate(connection, ctx);
    const write = (writer: XdrWriter) => writer.optionalString(address.uri).uint(NO_FLAGS);
    await connection.call("connectOpen", { write, read: () => {} }, ctx);
    return connection;
  } catch (error) {
    connection[Symbol.dispose]();
    throw error;
  }
}

/** The daemon knows the user from the socket; polkit may have to be asked about them. */
async function authenticate(connection: RpcConnection, ctx: OpContext): Promise<void> {
  const types = await connection.call(
    "authList",
    { read: (reader) => reader.array(MAX_AUTH_TYPES, (each) => each.int()) },
    ctx,
  );
  if (types.length === 0 || types.includes(AUTH.none)) return;
  if (types.includes(AUTH.polkit)) {
    await connection.call("authPolkit", { read: (reader) => reader.int() }, ctx);
    return;
  }
  throw new LuksmithError(
    "LibvirtAccessDenied",
    "libvirt asks for SASL on its socket, which is not supported; set auth_unix_rw to none or polkit in libvirtd.conf, or run as root",
  );
}
