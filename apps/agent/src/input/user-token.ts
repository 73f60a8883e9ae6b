import { givenToken, LuksmithError, type TokenSource } from "@luksmith/core/host";
import type { Passphrase } from "@luksmith/luks";
import type { Io } from "../io.ts";
import type { GlobalOptions } from "../session.ts";

/** Who gave the command, for services that act as the user. Wiped with the session that made it. */
export type UserToken = TokenSource & Partial<Disposable>;

/** Fernet tokens have some 200 characters, signed ones a few thousand. */
const MAX_TOKEN_BYTES = 16 * 1024;

/**
 * The user's credentials: a token on standard input, an entry of clouds.yaml, or OS_* variables, in this order; never the
 * command line, which every process can read. Undefined: none were given. Asks no server yet.
 * @throws `UsageError`, `ConfigInvalid`
 */
export async function userToken(globals: GlobalOptions, io: Io): Promise<UserToken | undefined> {
  const { env, cwd } = io;
  const named = globals.osCloud !== undefined || globals.osTokenStdin;
  if (!named && !Object.keys(env).some((name) => name.startsWith("OS_") && env[name])) return undefined;
  if (globals.osCloud !== undefined && globals.osTokenStdin) {
    throw new LuksmithError("UsageError", "give --os-cloud or --os-token-stdin, not both");
  }
  if (globals.osTokenStdin) {
    const token = await readToken(io.stdin);
    return { ...givenToken(token), [Symbol.dispose]: () => token[Symbol.dispose]() };
  }
  // Loaded late: most commands on a host without OpenStack need no HTTP client.
  const { userSession } = await import("@luksmith/keystone");
  return userSession({
    env,
    cwd,
    ...(env["HOME"] ? { home: env["HOME"] } : {}),
    ...(globals.osCloud === undefined ? {} : { cloud: globals.osCloud }),
  });
}

async function readToken(stdin: AsyncIterable<Uint8Array>): Promise<Passphrase> {
  const bytes = Buffer.alloc(MAX_TOKEN_BYTES);
  let length = 0;
  try {
    for await (const chunk of stdin) {
      if (length + chunk.length > bytes.length) throw noToken("is longer than any token");
      bytes.set(chunk, length);
      length += chunk.length;
      chunk.fill(0);
    }
    while (length > 0 && isSpace(bytes[length - 1])) length--;
    if (length === 0) throw noToken("is empty");
    if (bytes.subarray(0, length).some((byte) => byte <= 0x20 || byte > 0x7e)) throw noToken("is no token");
    const { Passphrase } = await import("@luksmith/luks");
    return new Passphrase(bytes.subarray(0, length));
  } finally {
    bytes.fill(0);
  }
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x0a || byte === 0x0d || byte === 0x20;
}

function noToken(what: string): LuksmithError {
  return new LuksmithError(
    "UsageError",
    `standard input ${what}; with --os-token-stdin it must be a token and nothing else, as "openstack token issue -f value -c id" prints it`,
  );
}
