import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { givenToken, type Passphrase, type TokenSource } from "@luksmith/core";
import { KeystoneSession } from "../session/keystone-session.ts";
import type { Credentials } from "../session/credentials.ts";
import { credentialsFrom } from "./auth-options.ts";
import { cloudValues } from "./clouds-yaml.ts";
import { httpFrom } from "./http-from.ts";
import { hasOsVariables, osValues } from "./os-variables.ts";
import { checkedUrl, interfaceNamed } from "./section.ts";
import { required, secret, type Values } from "./values.ts";

export interface UserSessionOptions {
  readonly env: NodeJS.ProcessEnv;
  /** Goes before `OS_CLOUD`. */
  readonly cloud?: string | undefined;
  /** Read from standard input; goes before everything. The caller keeps and disposes it. */
  readonly token?: Passphrase | undefined;
  readonly cwd: string;
  /** Default: the user's. */
  readonly home?: string | undefined;
}

const NAMES = { ca: "cacert", cert: "cert", key: "key", timeout: "api_timeout" };

/**
 * Who is at the command line: a given token, else a cloud of clouds.yaml, else the OS_* variables. A clouds.yaml that
 * merely lies there is not used: somebody has to name the cloud. Asks no server.
 * @returns undefined if nothing was given; a session is the caller's to dispose
 * @throws `UsageError`, `ConfigInvalid` with what is missing
 */
export async function userSession(
  options: UserSessionOptions,
): Promise<KeystoneSession | TokenSource | undefined> {
  const { env, cwd, home = homedir() } = options;
  if (options.token !== undefined) return givenToken(options.token);
  const path = (name: string) => absolute(name, cwd, home);
  const cloud = options.cloud ?? (env["OS_CLOUD"] || undefined);
  if (cloud !== undefined) {
    const search = (variable: string) => ({ cwd, home, first: env[variable] || undefined });
    const region = env["OS_REGION_NAME"] || undefined;
    const files = [search("OS_CLIENT_CONFIG_FILE"), search("OS_CLIENT_SECURE_FILE")] as const;
    return sessionFrom(await cloudValues(cloud, ...files, region), path);
  }
  if (!hasOsVariables(env)) return undefined;
  const values = osValues(env);
  const token = values.get("token");
  // A plain token is used as it is; only who says so gets it exchanged for one of another scope.
  if (token !== undefined && values.get("auth_type") === undefined && values.get("password") === undefined) {
    if (values.get("auth_url") === undefined) return givenToken(secret(token));
    return sessionFrom(values, path, { kind: "token", token: secret(token) });
  }
  return sessionFrom(values, path);
}

function sessionFrom(
  values: Values,
  path: (name: string) => string,
  credentials?: Credentials,
): KeystoneSession {
  const authUrl = required(values, ["auth_url"], "a login");
  const wanted = values.get("interface") ?? values.get("endpoint_type") ?? "public";
  return new KeystoneSession({
    authUrl: checkedUrl(values, "auth_url", authUrl),
    credentials: credentials ?? credentialsFrom(values),
    http: httpFrom(values, NAMES, path),
    interface: interfaceNamed(values, wanted),
    region: values.get("region_name"),
  });
}

/** `~` is the user's home, as openstacksdk has it; other names are relative to the working directory. */
function absolute(name: string, cwd: string, home: string): string {
  if (name === "~" || name.startsWith("~/")) return join(home, name.slice(1));
  return isAbsolute(name) ? name : join(cwd, name);
}
