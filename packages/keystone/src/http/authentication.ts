import type { OpContext, Passphrase, TokenSource } from "@luksmith/core";
import type { Tokens } from "./request-headers.ts";

/** The tokens of one request through its repetitions: renewed once, then never again. */
export class Authentication {
  readonly #user: TokenSource | undefined;
  readonly #service: TokenSource | undefined;
  #sent: Tokens = { user: undefined, service: undefined };
  #renewed: { readonly user: Passphrase | undefined; readonly service: Passphrase | undefined } | undefined;

  /** Whether other tokens were sent after a 401. */
  get renewed(): boolean {
    return this.#renewed?.user !== undefined || this.#renewed?.service !== undefined;
  }

  /** A service token goes only beside somebody else's. */
  constructor(user: TokenSource | undefined, service: TokenSource | undefined) {
    this.#user = user;
    this.#service = user === undefined || user === service ? undefined : service;
  }

  /** What to send now. Lent: neither kept nor disposed. */
  async tokens(ctx: OpContext): Promise<Tokens> {
    this.#sent = {
      user: this.#renewed?.user ?? (await this.#user?.current(ctx)),
      service: this.#renewed?.service ?? (await this.#service?.current(ctx)),
    };
    return this.#sent;
  }

  /**
   * After a 401: other tokens, for either may be what was refused. A 401 did nothing, so the request may be sent
   * again, whatever it is. False if there are none, or if these are the renewed ones already.
   */
  async renew(ctx: OpContext): Promise<boolean> {
    if (this.#renewed !== undefined) return false;
    const { user, service } = this.#sent;
    this.#renewed = {
      user: user && (await this.#user?.renew(user, ctx)),
      service: service && (await this.#service?.renew(service, ctx)),
    };
    return this.#renewed.user !== undefined || this.#renewed.service !== undefined;
  }
}
