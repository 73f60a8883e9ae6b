import { type OpContext, Passphrase } from "@luksmith/core";
import type { ServiceClient } from "../http/service-client.ts";
import { type Credentials, describeCredentials } from "./credentials.ts";
import { identityError } from "./identity-error.ts";
import { loginBody } from "./login-body.ts";
import { TokenAnswer, type TokenInfo } from "./token-info.ts";

/** The catalog of a large cloud with many regions. */
export const MAX_CATALOG_BYTES = 8 * 1024 * 1024;

export interface IssuedToken {
  /** Owned by whoever logged in. */
  readonly token: Passphrase;
  readonly info: TokenInfo;
}

/** @throws `AuthenticationFailed`, `IdentityUnavailable`, `Cancelled` */
export async function login(
  keystone: ServiceClient,
  credentials: Credentials,
  ctx: OpContext,
): Promise<IssuedToken> {
  const bytes = loginBody(credentials);
  try {
    const answer = await keystone.request(
      {
        method: "POST",
        path: "/auth/tokens",
        as: undefined,
        body: { type: "application/json", bytes },
        // A POST, but a second token harms nobody.
        repeatable: true,
        expect: [201],
        maxResponseBytes: MAX_CATALOG_BYTES,
      },
      ctx,
    );
    const info = answer.json(TokenAnswer);
    // Node gives headers as strings, so this token has been one; from here on it is bytes.
    const text = answer.headers["x-subject-token"];
    if (text === undefined || text === "") throw answer.protocolError("answered a login without a token");
    return { token: Passphrase.take(Buffer.from(text)), info };
  } catch (error) {
    throw identityError(error, describeCredentials(credentials));
  } finally {
    bytes.fill(0);
  }
}
