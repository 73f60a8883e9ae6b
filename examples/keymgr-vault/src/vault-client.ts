import { setTimeout as wait } from "node:timers/promises";
import { cancelledError, LuksmithError, type OpContext } from "@luksmith/core";
import * as z from "zod";
import { type Outage, VaultRefusal } from "./vault-error.ts";
import { NoAnswer, type VaultAnswer, type VaultHttp, type VaultRequest } from "./vault-http.ts";
import type { VaultLogin } from "./vault-login.ts";

export interface Patience {
  /** How often a request is sent at most. */
  readonly attempts: number;
  /** Before the second; twice as long before each further. */
  readonly delayMs: number;
}

export const PATIENCE: Patience = { attempts: 4, delayMs: 250 };
const MAX_DELAY_MS = 5000;

/** What may be over in a moment. Sealed it stays until somebody comes. */
const PASSING: ReadonlySet<Outage> = new Set(["standby", "rate-limited", "stale", "failed"]);

const HEALTH: Readonly<Record<number, Outage>> = {
  429: "standby",
  472: "standby",
  473: "standby",
  501: "not-initialized",
  503: "sealed",
};

const Token = z.object({ data: z.object({ policies: z.array(z.string()) }) });

/** Requests in the host's name, each repeated while that may help: all that are sent here can be carried out twice. */
export class VaultClient {
  readonly #http: VaultHttp;
  readonly #login: VaultLogin;
  readonly #patience: Patience;

  constructor(http: VaultHttp, login: VaultLogin, patience = PATIENCE) {
    this.#http = http;
    this.#login = login;
    this.#patience = patience;
  }

  /**
   * @param onLost told of an attempt that may have been carried out though it failed
   * @throws `VaultRefusal` for a status other than 200 and 204, `NoAnswer`, `PermissionDenied`, `AuthenticationFailed`, `Cancelled`
   */
  async send(request: VaultRequest, ctx: OpContext, onLost?: () => void): Promise<VaultAnswer> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#sendAsUs(request, ctx);
      } catch (error) {
        const outage = error instanceof VaultRefusal ? error.outage : undefined;
        const lost = error instanceof NoAnswer || outage === "failed";
        if (lost) onLost?.();
        const passing = error instanceof NoAnswer || (outage !== undefined && PASSING.has(outage));
        if (!passing || attempt >= this.#patience.attempts) throw error;
        ctx.log.debug({ path: request.path, attempt, err: error }, "asking Vault again");
        await this.#pause(attempt, error instanceof VaultRefusal ? error.retryAfterMs : undefined, ctx);
      }
    }
  }

  close(): void {
    this.#http.close();
  }

  async #sendAsUs(request: VaultRequest, ctx: OpContext): Promise<VaultAnswer> {
    let token = await this.#login.token(ctx);
    let answer = await this.#http.request({ ...request, token }, ctx);
    if (answer.status === 403) {
      // Vault says the same of a token that has ended and of one that may not.
      const next = await this.#login.token(ctx, token);
      if (next !== token) answer = await this.#http.request({ ...request, token: next }, ctx);
      token = next;
    }
    if (answer.status === 200 || answer.status === 204) return answer;
    const refusal = new VaultRefusal(answer);
    if (refusal.status === 403) throw await this.#denied(refusal, request, token, ctx);
    if (refusal.outage === "failed") refusal.health = await this.#health(ctx);
    throw refusal;
  }

  /** Asks what the token is, which any that is valid may. */
  async #denied(refusal: VaultRefusal, request: VaultRequest, token: string, ctx: OpContext): Promise<Error> {
    const asked = await this.#http.request({ method: "GET", path: "auth/token/lookup-self", token }, ctx);
    const details = { status: 403, maybeDone: false };
    if (asked.status === 403) {
      return new LuksmithError(
        "AuthenticationFailed",
        `Vault does not know the host's token (any more): ${refusal.message}; put a valid one into token_file`,
        { cause: refusal, details },
      );
    }
    const known =
      asked.status === 200
        ? Token.safeParse(JSON.parse(Buffer.from(asked.bytes).toString("utf8")))
        : undefined;
    const policies = known?.data?.data.policies;
    const path = request.path.replace(/\?.*/, "");
    return new LuksmithError(
      "PermissionDenied",
      `Vault does not let the host's token${policies ? `, with the policies ${policies.join(", ")},` : ""} ${request.method} ${path}: ${refusal.message}; give it a policy as the README of luksmith-keymgr-vault has it`,
      { cause: refusal, details: { ...details, path, ...(policies ? { policies } : {}) } },
    );
  }

  async #health(ctx: OpContext): Promise<Outage | undefined> {
    try {
      const { status } = await this.#http.request({ method: "GET", path: "sys/health" }, ctx);
      return HEALTH[status];
    } catch (error) {
      if (error instanceof NoAnswer) return undefined;
      throw error;
    }
  }

  async #pause(attempt: number, askedForMs: number | undefined, ctx: OpContext): Promise<void> {
    const ms = Math.min(MAX_DELAY_MS, askedForMs ?? this.#patience.delayMs * 2 ** (attempt - 1));
    // Hosts that lost the same Vault must not come back in step.
    await wait(ms * (0.75 + Math.random() / 2), undefined, { signal: ctx.signal }).catch(() => {
      throw cancelledError(ctx.signal.reason);
    });
  }
}
