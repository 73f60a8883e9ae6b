import { LuksmithError, type OpContext, type TokenSource } from "@luksmith/core";
import type { ServiceClient, ServiceRequest } from "@luksmith/keystone";
import * as z from "zod";
import { PlacementAnswer } from "./placement-answer.ts";
import { placementError } from "./placement-error.ts";

/**
 * Sent with every request: without a version Placement speaks its first one, which has no traits and answers 404. This is
 * the oldest that tells conflicts apart by code (Rocky); it has all that is used here.
 */
const VERSION = { "OpenStack-API-Version": "placement 1.23" };

const Provider = z.object({ uuid: z.string(), name: z.string() });
const Providers = z.object({ resource_providers: z.array(Provider) });
const ProviderTraits = z.object({ traits: z.array(z.string()), resource_provider_generation: z.int() });
const Traits = z.object({ traits: z.array(z.string()) });

export interface ResourceProvider {
  readonly id: string;
  readonly name: string;
}

/** What a resource provider has, and the count of its changes at that time. */
export interface TraitState {
  readonly traits: readonly string[];
  readonly generation: number;
}

/** The few requests of Placement's API that traits need. Failures come as Luksmith's errors. */
export class PlacementApi {
  readonly #client: ServiceClient;
  readonly #account: TokenSource;

  /** @param account the service account that asks */
  constructor(client: ServiceClient, account: TokenSource) {
    this.#client = client;
    this.#account = account;
  }

  async providerByName(name: string, ctx: OpContext): Promise<ResourceProvider | undefined> {
    const request = { path: "/resource_providers", query: { name }, ...read(200) };
    const answer = await this.#send(request, `looking for the resource provider ${name}`, ctx);
    const found = answer.json(Providers).resource_providers.find((each) => each.name === name);
    return found && { id: found.uuid, name: found.name };
  }

  async providerById(id: string, ctx: OpContext): Promise<ResourceProvider | undefined> {
    const request = { path: `/resource_providers/${encodeURIComponent(id)}`, ...read(200, 404) };
    const answer = await this.#send(request, `looking for the resource provider ${id}`, ctx);
    if (answer.isAbsent()) return undefined;
    const { uuid, name } = answer.json(Provider);
    return { id: uuid, name };
  }

  /**
   * Nobody may have taken the name or the UUID meanwhile.
   * @returns whether it was made by this call
   */
  async createProvider({ id, name }: ResourceProvider, ctx: OpContext): Promise<boolean> {
    const request = {
      method: "POST",
      path: "/resource_providers",
      json: { name, uuid: id },
      repeatable: false,
      expect: [200, 201, 409],
    } as const;
    const answer = await this.#send(request, `making the resource provider ${name}`, ctx);
    return answer.status !== 409;
  }

  /** @throws `ResourceProviderNotFound` if it was deleted meanwhile */
  async traitsOf(provider: ResourceProvider, ctx: OpContext): Promise<TraitState> {
    const request = { path: `/resource_providers/${provider.id}/traits`, ...read(200, 404) };
    const answer = await this.#send(request, `reading the traits of ${provider.name}`, ctx);
    if (answer.isAbsent()) throw providerGone(provider);
    const { traits, resource_provider_generation: generation } = answer.json(ProviderTraits);
    return { traits, generation };
  }

  /**
   * Replaces all traits, if nobody changed the provider since `state` was read.
   * @returns the new state; `conflict`: somebody did; `refused`: Placement's reason, most likely an unknown trait
   * @throws `ResourceProviderNotFound`
   */
  async putTraits(
    provider: ResourceProvider,
    { traits, generation }: TraitState,
    ctx: OpContext,
  ): Promise<TraitState | "conflict" | { readonly refused: string }> {
    const request = {
      method: "PUT",
      path: `/resource_providers/${provider.id}/traits`,
      json: { resource_provider_generation: generation, traits },
      // If a lost one was carried out, the next is a conflict, which is read anew and then is as it should be.
      repeatable: true,
      expect: [200, 400, 404, 409],
    } as const;
    const answer = await this.#send(request, `writing the traits of ${provider.name}`, ctx);
    if (answer.isAbsent()) throw providerGone(provider);
    if (answer.status === 409) return "conflict";
    if (answer.status === 400) return { refused: answer.refusal() };
    const { traits: now, resource_provider_generation: next } = answer.json(ProviderTraits);
    return { traits: now, generation: next };
  }

  /** Those of the names that Placement has no trait for. */
  async unknownTraits(names: readonly string[], ctx: OpContext): Promise<readonly string[]> {
    const request = { path: "/traits", query: { name: `in:${names.join(",")}` }, ...read(200) };
    const answer = await this.#send(request, "asking which traits Placement knows", ctx);
    const known = answer.json(Traits).traits;
    return names.filter((name) => !known.includes(name));
  }

  /** Idempotent. Only `CUSTOM_` traits can be made. @throws `TraitCreationFailed` */
  async createTrait(name: string, ctx: OpContext): Promise<void> {
    const path = `/traits/${encodeURIComponent(name)}`;
    const request = { method: "PUT", path, repeatable: true, expect: [201, 204, 400] } as const;
    const answer = await this.#send(request, `making the trait ${name}`, ctx);
    if (answer.status !== 400) return;
    throw new LuksmithError(
      "TraitCreationFailed",
      `Placement does not know the trait ${name} and refused to make it (${answer.refusal()}); update os-traits where Placement runs, then run placement-manage db sync`,
      { details: { trait: name, status: 400 } },
    );
  }

  async #send(
    request: Omit<ServiceRequest, "as" | "headers">,
    doing: string,
    ctx: OpContext,
  ): Promise<PlacementAnswer> {
    try {
      const sent = { ...request, headers: VERSION, as: this.#account };
      return new PlacementAnswer(await this.#client.request(sent, ctx), doing);
    } catch (error) {
      throw placementError(error, doing);
    }
  }
}

function read(...expect: number[]) {
  return { method: "GET", repeatable: true, expect } as const;
}

function providerGone({ id, name }: ResourceProvider): LuksmithError {
  return new LuksmithError(
    "ResourceProviderNotFound",
    `the resource provider ${name} (${id}) was deleted while its traits were reported; if it is made again, the next report finds it`,
    { details: { provider: id, name, status: 404 } },
  );
}
