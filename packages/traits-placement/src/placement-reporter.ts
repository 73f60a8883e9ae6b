import { randomUUID } from "node:crypto";
import {
  LuksmithError,
  type OpContext,
  type ReportedTraits,
  type TraitChange,
  type TraitClaim,
  type TraitReporter,
} from "@luksmith/core";
import type { PlacementApi, ResourceProvider } from "./placement-api.ts";
import { writeTraits } from "./write-traits.ts";

export interface PlacementReporterOptions {
  readonly api: PlacementApi;
  /** The resource provider's name or UUID. */
  readonly provider: string;
  /** The name that a provider gets which is made here and whose UUID is all that is configured. */
  readonly host: string;
  /** How long one report may go on while others change the same provider. */
  readonly timeoutMs: number;
  /** Called when it is disposed. */
  readonly close?: () => void;
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Keeps this host's traits at its resource provider in Placement. */
export class PlacementReporter implements TraitReporter, Disposable {
  readonly name = "placement";
  readonly #options: PlacementReporterOptions;

  constructor(options: PlacementReporterOptions) {
    this.#options = options;
  }

  async report(claim: TraitClaim, ctx: OpContext): Promise<TraitChange> {
    const { api, timeoutMs } = this.#options;
    return writeTraits(api, await this.#provider(ctx), claim, timeoutMs, ctx);
  }

  async show(ctx: OpContext): Promise<ReportedTraits> {
    const provider = await this.#provider(ctx);
    return { provider, ...(await this.#options.api.traitsOf(provider, ctx)) };
  }

  async createProvider(ctx: OpContext): Promise<boolean> {
    if (await this.#find(ctx)) return false;
    const { api, provider, host } = this.#options;
    const wanted = UUID.test(provider) ? { id: provider, name: host } : { id: randomUUID(), name: provider };
    try {
      const made = await api.createProvider(wanted, ctx);
      // Refused: somebody was faster, or has the name with another UUID.
      if (!made) await this.#provider(ctx);
      return made;
    } catch (error) {
      // Its answer was lost, or a repetition met what the first one made.
      if (!ctx.signal.aborted && (await this.#find(ctx).catch(() => undefined))) return true;
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#options.close?.();
  }

  /** Asked for each time: it may have been made anew, with another UUID. */
  #find(ctx: OpContext): Promise<ResourceProvider | undefined> {
    const { api, provider } = this.#options;
    return UUID.test(provider) ? api.providerById(provider, ctx) : api.providerByName(provider, ctx);
  }

  async #provider(ctx: OpContext): Promise<ResourceProvider> {
    const found = await this.#find(ctx);
    if (found) return found;
    const { provider } = this.#options;
    throw new LuksmithError(
      "ResourceProviderNotFound",
      `Placement has no resource provider ${provider}; nova-compute makes one when it starts. If it has another name ("openstack resource provider list"), set [luksmith:traits-placement] resource_provider; on hosts without nova-compute, use "luksmith traits sync --create-provider"`,
      { details: { provider } },
    );
  }
}
