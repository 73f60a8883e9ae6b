import {
  LuksmithError,
  type OpContext,
  type Passphrase,
  throwIfCancelled,
  type TokenSource,
} from "@luksmith/core";
import { isLuksmithError } from "@luksmith/core";
import type { HttpOptions } from "../http/http-options.ts";
import type { ServiceClient } from "../http/service-client.ts";
import { askKeystone } from "./ask-keystone.ts";
import type { Interface } from "./catalog.ts";
import { type Credentials, secretOf } from "./credentials.ts";
import { keystoneClient, versionedAuthUrl } from "./keystone-client.ts";
import { type IssuedToken, login } from "./login.ts";
import { sameToken } from "./same-token.ts";
import { SharedCall } from "./shared-call.ts";
import type { TokenInfo } from "./token-info.ts";

/** A token is replaced so long before it ends, or when a tenth of its life is left, whichever is shorter. */
const MARGIN_MS = 60_000;
const MARGIN_SHARE = 0.1;

export interface KeystoneSessionOptions {
  /** With or without `/v3`. */
  readonly authUrl: string;
  /** The session owns and wipes the secret in it. */
  readonly credentials: Credentials;
  readonly http: HttpOptions;
  /** Which endpoints this account uses. */
  readonly interface: Interface;
  readonly region?: string | undefined;
}

interface Current extends IssuedToken {
  /** By `performance.now()`: the host's clock may be wrong, and jump. */
  readonly renewAt: number;
  readonly endsAt: number;
}

/**
 * An account at Keystone. Logs in when a token is first needed, again before it ends, and once when a service refuses
 * it; all who wait share one login. The caller disposes it.
 */
export class KeystoneSession implements TokenSource, Disposable {
  readonly authUrl: string;
  readonly http: HttpOptions;
  readonly interface: Interface;
  readonly region: string | undefined;
  readonly #credentials: Credentials;
  readonly #keystone: ServiceClient;
  readonly #login = new SharedCall<Current>();
  readonly #question = new SharedCall<TokenInfo>();
  #current: Current | undefined;
  /** Whoever borrowed the one before may still be sending it: it is wiped one login later. */
  #previous: Passphrase | undefined;
  #givenInfo: TokenInfo | undefined;
  #closed = false;

  constructor(options: KeystoneSessionOptions) {
    this.authUrl = versionedAuthUrl(options.authUrl);
    this.http = options.http;
    this.interface = options.interface;
    this.region = options.region;
    this.#credentials = options.credentials;
    this.#keystone = keystoneClient(this.authUrl, options.http);
  }

  /**
   * A token, lent. A login that fails while the token still is good is put off.
   * @throws `AuthenticationFailed`, `IdentityUnavailable`, `Cancelled`
   */
  async current(ctx: OpContext): Promise<Passphrase> {
    return this.#given() ?? (await this.#token(ctx)).token;
  }

  /** @throws `AuthenticationFailed`, `IdentityUnavailable`, `Cancelled` */
  async renew(refused: Passphrase, ctx: OpContext): Promise<Passphrase | undefined> {
    throwIfCancelled(ctx);
    if (this.#given() !== undefined) return undefined;
    const current = this.#current;
    if (current !== undefined && !sameToken(current.token, refused)) return current.token;
    return (await this.#renewed(ctx)).token;
  }

  /** What Keystone says of the token that `current` gives. */
  async info(ctx: OpContext): Promise<TokenInfo> {
    const given = this.#given();
    if (given === undefined) return (await this.#token(ctx)).info;
    this.#givenInfo ??= await this.#question.join((own) => askKeystone(this.#keystone, given, own), ctx);
    return this.#givenInfo;
  }

  /** Wipes tokens and credentials, closes connections. Idempotent. */
  [Symbol.dispose](): void {
    this.#closed = true;
    this.#keystone[Symbol.dispose]();
    this.#current?.token[Symbol.dispose]();
    this.#previous?.[Symbol.dispose]();
    secretOf(this.#credentials)[Symbol.dispose]();
    this.#current = undefined;
  }

  /** The token that is used as it is, if that is what this session has. */
  #given(): Passphrase | undefined {
    if (this.#closed) throw new LuksmithError("InternalError", "the Keystone session was closed already");
    const credentials = this.#credentials;
    return credentials.kind === "token" && credentials.scope === undefined ? credentials.token : undefined;
  }

  async #token(ctx: OpContext): Promise<Current> {
    throwIfCancelled(ctx);
    const current = this.#current;
    if (current !== undefined && performance.now() < current.renewAt) return current;
    try {
      return await this.#renewed(ctx);
    } catch (error) {
      const unavailable = isLuksmithError(error) && error.code === "IdentityUnavailable";
      if (current === undefined || performance.now() >= current.endsAt || !unavailable) throw error;
      ctx.log.warn({ authUrl: this.authUrl }, "Keystone is away; the old token is used while it lasts");
      return current;
    }
  }

  #renewed(ctx: OpContext): Promise<Current> {
    return this.#login.join(async (own) => {
      const began = performance.now();
      const issued = await login(this.#keystone, this.#credentials, own);
      const life = issued.info.expiresAt.getTime() - issued.info.issuedAt.getTime();
      const endsAt = began + life;
      const current = { ...issued, endsAt, renewAt: endsAt - Math.min(MARGIN_MS, life * MARGIN_SHARE) };
      return this.#keep(current);
    }, ctx);
  }

  #keep(current: Current): Current {
    if (this.#closed) {
      current.token[Symbol.dispose]();
      throw new LuksmithError("InternalError", "the Keystone session was closed during a login");
    }
    this.#previous?.[Symbol.dispose]();
    this.#previous = this.#current?.token;
    this.#current = current;
    return current;
  }
}
