import { givenToken, LuksmithError, type OpContext, type Passphrase } from "@luksmith/core";
import { headerValue } from "../http/request-headers.ts";
import type { ServiceClient } from "../http/service-client.ts";
import { isServiceError } from "../http/service-error.ts";
import { identityError } from "./identity-error.ts";
import { MAX_CATALOG_BYTES } from "./login.ts";
import { TokenAnswer, type TokenInfo } from "./token-info.ts";

/**
 * Asks Keystone about a token, as the one whose token it is.
 * @throws `TokenRefused` if it has ended, was revoked or never was one; `IdentityUnavailable`, `Cancelled`
 */
export async function askKeystone(
  keystone: ServiceClient,
  token: Passphrase,
  ctx: OpContext,
): Promise<TokenInfo> {
  try {
    const answer = await keystone.request(
      {
        method: "GET",
        path: "/auth/tokens",
        headers: { "x-subject-token": headerValue(token) },
        as: givenToken(token),
        repeatable: true,
        expect: [200],
        maxResponseBytes: MAX_CATALOG_BYTES,
      },
      ctx,
    );
    return answer.json(TokenAnswer);
  } catch (error) {
    if (isServiceError(error) && error.status !== undefined && [401, 403, 404].includes(error.status)) {
      throw new LuksmithError(
        "TokenRefused",
        `Keystone refused the token (${error.status} at ${error.url}): it has ended, was revoked, or is of another ` +
          `cloud; get a new one`,
        { details: { service: "Keystone", status: error.status, url: error.url }, cause: error },
      );
    }
    throw identityError(error, "the given token");
  }
}
