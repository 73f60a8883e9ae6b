import { readFile, stat } from "node:fs/promises";
import { ioError, LuksmithError, type OpContext } from "@luksmith/core";
import * as z from "zod";
import { VaultRefusal } from "./vault-error.ts";
import type { VaultHttp } from "./vault-http.ts";

/** Whose name requests go in. */
export interface VaultLogin {
  /** @param refused a token that is no good any more: another is given, if there is one */
  token(ctx: OpContext, refused?: string): Promise<string>;
}

/** A token in a file, which something else keeps fresh (Vault's agent); read anew when one was refused. */
export class FileLogin implements VaultLogin {
  readonly #path: string;
  #token: string | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  async token(_ctx: OpContext, refused?: string): Promise<string> {
    if (this.#token === undefined || this.#token === refused) {
      this.#token = await readSecretFile(this.#path, "the token");
    }
    return this.#token;
  }
}

export interface AppRole {
  readonly roleId: string;
  readonly secretIdFile: string;
  /** Where the auth method is mounted. */
  readonly mount: string;
}

const Login = z.object({
  auth: z.object({ client_token: z.string().min(1), lease_duration: z.number().nonnegative() }),
});

/** Part of a token's life after which another is asked for. */
const RENEW_AFTER = 2 / 3;

/** AppRole: a role id from the configuration, a secret id from a file. */
export class AppRoleLogin implements VaultLogin {
  readonly #http: VaultHttp;
  readonly #role: AppRole;
  #current: { readonly token: string; readonly until: number } | undefined;
  #pending: Promise<string> | undefined;

  constructor(http: VaultHttp, role: AppRole) {
    this.#http = http;
    this.#role = role;
  }

  async token(ctx: OpContext, refused?: string): Promise<string> {
    const { token, until = 0 } = this.#current ?? {};
    if (token !== undefined && token !== refused && performance.now() < until) return token;
    // Many may ask at once, and one login will do. It is the first one's to cancel; the others try again then.
    const joined = this.#pending;
    if (joined) return await joined.catch(() => this.token(ctx, refused));
    this.#pending = this.#login(ctx).finally(() => (this.#pending = undefined));
    return await this.#pending;
  }

  async #login(ctx: OpContext): Promise<string> {
    const { roleId, secretIdFile, mount } = this.#role;
    const secretId = await readSecretFile(secretIdFile, "the secret id");
    const body = Buffer.from(JSON.stringify({ role_id: roleId, secret_id: secretId }));
    const answer = await this.#http.request({ method: "POST", path: `auth/${mount}/login`, body }, ctx);
    body.fill(0);
    if (answer.status !== 200) {
      const refusal = new VaultRefusal(answer);
      if (answer.status !== 400 && answer.status !== 403) throw refusal;
      throw new LuksmithError(
        "AuthenticationFailed",
        `Vault does not take the role id and the secret id in ${secretIdFile}: ${refusal.message}; give the role a new secret id`,
        { cause: refusal, details: { status: answer.status, maybeDone: false } },
      );
    }
    const { auth } = Login.parse(JSON.parse(Buffer.from(answer.bytes).toString("utf8")));
    answer.bytes.fill(0);
    const { client_token: token, lease_duration: seconds } = auth;
    const lifeMs = seconds === 0 ? Infinity : seconds * 1000 * RENEW_AFTER;
    this.#current = { token, until: performance.now() + lifeMs };
    return token;
  }
}

/** One line that is nobody else's to read. */
async function readSecretFile(path: string, what: string): Promise<string> {
  try {
    const { mode } = await stat(path);
    if ((mode & 0o007) !== 0) {
      throw new LuksmithError("KeyStoreUnsafe", `${path} is open to others; run: chmod o= ${path}`, {
        details: { path },
      });
    }
    const text = (await readFile(path, "utf8")).trim();
    if (/^[\x21-\x7e]+$/.test(text)) return text;
  } catch (error) {
    throw ioError(error, `reading ${what} for Vault from ${path}`, { path });
  }
  throw new LuksmithError("AuthenticationFailed", `${path} does not hold ${what}, which is one word`, {
    details: { path },
  });
}
