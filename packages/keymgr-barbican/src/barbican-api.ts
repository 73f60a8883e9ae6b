import type { OpContext, TokenSource } from "@luksmith/core";
import type { ServiceClient, ServiceRequest } from "@luksmith/keystone";
import { type Consumer, ConsumerPage, CreatedSecret, SecretMetadata, SecretPage } from "./answers.ts";

/** Consumers of secrets came with 1.1; older servers ignore the header or answer 406. */
const MICROVERSION = { "OpenStack-API-Version": "key-manager 1.1" };
const JSON_TYPE = { Accept: "application/json" };
/** Barbican's own limit for a payload is 20 000. */
const PAYLOAD_BYTES = 65_536;
/** Barbican gives no more than this at a time unless its `max_limit_paging` was raised. */
const PAGE_SIZE = 100;

/** Who may read, besides the creator and the project's admins. */
export interface SecretAcl {
  readonly users: readonly string[];
}

/**
 * Barbican's requests, one method each, in the name of `as`. All throw `ServiceError`, Keystone's errors, `EndpointNotFound`
 * and `Cancelled`.
 */
export class BarbicanApi {
  readonly #client: ServiceClient;
  readonly #pageSize: number;

  constructor(client: ServiceClient, pageSize = PAGE_SIZE) {
    this.#client = client;
    this.#pageSize = pageSize;
  }

  /** @param body from `secretBody`; wiped by whoever made it */
  async create(body: Uint8Array, as: TokenSource, ctx: OpContext): Promise<string> {
    const answer = await this.#client.request(
      {
        method: "POST",
        path: "/v1/secrets",
        headers: JSON_TYPE,
        as,
        body: { type: "application/json", bytes: body },
        repeatable: false,
        expect: [201],
      },
      ctx,
    );
    return answer.json(CreatedSecret).secret_ref;
  }

  async metadata(id: string, as: TokenSource, ctx: OpContext): Promise<SecretMetadata> {
    const answer = await this.#get(secretPath(id), as, ctx);
    return answer.json(SecretMetadata);
  }

  /** @param type as `content_types` names it; the caller wipes what it gets */
  async payload(id: string, type: string, as: TokenSource, ctx: OpContext): Promise<Uint8Array> {
    const answer = await this.#client.request(
      {
        method: "GET",
        path: `${secretPath(id)}/payload`,
        headers: { Accept: type },
        as,
        repeatable: true,
        expect: [200],
        maxResponseBytes: PAYLOAD_BYTES,
      },
      ctx,
    );
    return answer.bytes;
  }

  async remove(id: string, as: TokenSource, ctx: OpContext): Promise<void> {
    await this.#client.request(
      { method: "DELETE", path: secretPath(id), as, repeatable: true, expect: [204] },
      ctx,
    );
  }

  /** @param name a pattern of SQL's LIKE to the server, so the caller compares names itself */
  async page(
    query: { readonly name?: string; readonly offset: number },
    as: TokenSource,
    ctx: OpContext,
  ): Promise<SecretPage> {
    const answer = await this.#get("/v1/secrets", as, ctx, {
      // Barbican decodes a name that the web server has decoded already.
      ...(query.name === undefined ? {} : { name: query.name.replaceAll(/[%+]/g, encodeURIComponent) }),
      secret_type: "passphrase",
      // New ones are added at the end, so that no page moves.
      sort: "created:asc",
      limit: this.#pageSize,
      offset: query.offset,
    });
    return answer.json(SecretPage);
  }

  async consumers(id: string, as: TokenSource, ctx: OpContext): Promise<readonly Consumer[]> {
    const answer = await this.#get(`${secretPath(id)}/consumers`, as, ctx, { limit: PAGE_SIZE });
    return answer.json(ConsumerPage).consumers;
  }

  /** Idempotent: the same consumer again is still one. */
  async addConsumer(id: string, consumer: Consumer, as: TokenSource, ctx: OpContext): Promise<void> {
    await this.#change("POST", `${secretPath(id)}/consumers`, consumer, as, ctx);
  }

  async removeConsumer(id: string, consumer: Consumer, as: TokenSource, ctx: OpContext): Promise<void> {
    await this.#change("DELETE", `${secretPath(id)}/consumers`, consumer, as, ctx);
  }

  async setAcl(id: string, { users }: SecretAcl, as: TokenSource, ctx: OpContext): Promise<void> {
    const acl = { read: { users, "project-access": false } };
    await this.#change("PUT", `${secretPath(id)}/acl`, acl, as, ctx);
  }

  #get(path: string, as: TokenSource, ctx: OpContext, query: ServiceRequest["query"] = {}) {
    const headers = { ...JSON_TYPE, ...MICROVERSION };
    return this.#client.request(
      { method: "GET", path, query, headers, as, repeatable: true, expect: [200] },
      ctx,
    );
  }

  /** Changes that may be sent twice. */
  async #change(
    method: "POST" | "PUT" | "DELETE",
    path: string,
    json: object,
    as: TokenSource,
    ctx: OpContext,
  ): Promise<void> {
    const headers = { ...JSON_TYPE, ...MICROVERSION };
    await this.#client.request(
      { method, path, headers, as, json, repeatable: true, expect: [200, 201, 204] },
      ctx,
    );
  }
}

function secretPath(id: string): string {
  return `/v1/secrets/${encodeURIComponent(id)}`;
}
