import type { Passphrase } from "@luksmith/luks";
import type { OpContext } from "../image/op-context.ts";

/**
 * Proves a caller to services that ask who it is: a user by the token that came with a request, or an account that can
 * log in again. Whoever makes one owns it; tokens are lent and never disposed by those who ask for them.
 */
export interface TokenSource {
  /** A token that should be valid now; logs in, or logs in anew before the last one ends, where that is possible. */
  current(ctx: OpContext): Promise<Passphrase>;
  /**
   * Asked once after a service answered 401 to `refused`: another token, or undefined where there is none to be had.
   * Callers that were refused at the same time get the same new token.
   */
  renew(refused: Passphrase, ctx: OpContext): Promise<Passphrase | undefined>;
}

/** A token that somebody else obtained: it cannot be renewed. The caller keeps and disposes it. */
export function givenToken(token: Passphrase): TokenSource {
  return {
    current: () => Promise.resolve(token),
    renew: () => Promise.resolve(undefined),
  };
}
