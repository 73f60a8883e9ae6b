import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { type OpContext, type Passphrase, silentLogger } from "@luksmith/core";
import type { OpenStack } from "@luksmith/testing-services";
import {
  endpointFrom,
  type HttpOptions,
  type KeystoneSession,
  ServiceClient,
  userSession,
} from "../src/index.ts";

export const HTTP: HttpOptions = { connectTimeoutMs: 10_000, timeoutMs: 60_000 };

export const text = (token: Passphrase) => token.use((bytes) => Buffer.from(bytes).toString());

/** A session from OS_* variables, as a user at the command line has it. */
export async function sessionFrom(env: Record<string, string>): Promise<KeystoneSession> {
  const session = await userSession({ env, cwd: "/", home: "/nonexistent" });
  // These variables always make a session.
  return session as KeystoneSession;
}

/** A client of the real Barbican, found through the session's catalog. */
export function barbican(
  session: KeystoneSession,
  more: { serviceToken?: KeystoneSession; region?: string } = {},
) {
  const { serviceToken, region = session.region } = more;
  return new ServiceClient({
    service: "Barbican",
    endpoint: endpointFrom({
      session,
      service: "Barbican",
      serviceTypes: ["key-manager"],
      interfaces: ["public"],
      region,
    }),
    http: session.http,
    serviceToken,
    maxConcurrent: 4,
    retries: { attempts: 3, baseMs: 50, maxMs: 500 },
    breaker: { failures: 10, openMs: 1000 },
  });
}

/** What `openstack token issue` says of the account that the environment names: python's own reading of it. */
export async function openstackCli(
  env: Record<string, string>,
  cwd: string,
): Promise<{ project_id?: string; user_id?: string }> {
  const { stdout } = await promisify(execFile)("openstack", ["token", "issue", "-f", "json"], {
    cwd,
    env: { PATH: process.env["PATH"] ?? "/usr/bin:/bin", ...env },
    timeout: 60_000,
  });
  return JSON.parse(stdout) as { project_id?: string; user_id?: string };
}

export const context = (): OpContext => ({
  requestId: `req-${crypto.randomUUID()}`,
  signal: new AbortController().signal,
  log: silentLogger,
});

export type { OpenStack };
