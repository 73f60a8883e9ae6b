import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { givenToken, Passphrase, type PluginSettings, type Trait } from "@luksmith/core";
import { ServiceClient } from "@luksmith/keystone";
import {
  call,
  type OpenStack,
  sharedOpenStack,
  UnexpectedAnswer,
  type UserName,
} from "@luksmith/testing-services";
import { PlacementConfig } from "../src/config.ts";
import { openReporter } from "../src/open-reporter.ts";
import { PlacementApi } from "../src/placement-api.ts";
import { PlacementReporter } from "../src/placement-reporter.ts";

/** With the version, but otherwise none of our code. */
const VERSION = { "OpenStack-API-Version": "placement 1.39" };

interface Traits {
  readonly traits: readonly string[];
  readonly resource_provider_generation: number;
}

/** A resource provider of its own in a real Placement, and somebody else who may write to it. */
export class PlacementBench {
  readonly os: OpenStack;
  readonly name: string;
  readonly id: string;
  readonly #token: string;

  private constructor(os: OpenStack, name: string, id: string, token: string) {
    this.os = os;
    this.name = name;
    this.id = id;
    this.#token = token;
  }

  /** @param given its services; by default those that all tests share */
  static async create(given?: OpenStack): Promise<PlacementBench> {
    const os = given ?? (await sharedOpenStack());
    const name = `host-${randomUUID()}`;
    return new PlacementBench(
      os,
      name,
      await os.createResourceProvider(name),
      await os.issueToken("hostadmin"),
    );
  }

  /** nova.conf as an operator writes it. */
  settings(
    more: {
      readonly user?: UserName;
      readonly placement?: Readonly<Record<string, string>>;
      readonly own?: Readonly<Record<string, string>>;
    } = {},
  ): PluginSettings {
    const { name, password, project } = this.os.user(more.user ?? "hostadmin");
    return {
      sections: {
        DEFAULT: { host: this.name },
        placement: {
          auth_type: "password",
          auth_url: this.os.urls.keystone,
          username: name,
          password,
          project_name: project,
          user_domain_name: "Default",
          project_domain_name: "Default",
          region_name: "RegionOne",
          ...more.placement,
        },
        "luksmith:traits-placement": more.own ?? {},
      },
      statePath: "/nonexistent",
    };
  }

  /** The reporter that the plugin makes. */
  reporter(more: Parameters<PlacementBench["settings"]>[0] = {}): PlacementReporter {
    return openReporter(PlacementConfig.parse(this.settings(more)));
  }

  /** A reporter with connections of its own and a token that is there already. */
  otherReporter(
    timeoutMs: number,
    more: { readonly url?: string; readonly httpTimeoutMs?: number } = {},
  ): PlacementReporter {
    const client = new ServiceClient({
      service: "Placement",
      endpoint: async () => more.url ?? this.os.urls.placement,
      http: { connectTimeoutMs: 60_000, timeoutMs: more.httpTimeoutMs ?? 120_000 },
      maxConcurrent: 1,
      retries: { attempts: 3, baseMs: 200, maxMs: 5000 },
      breaker: { failures: 10, openMs: 1000 },
    });
    return new PlacementReporter({
      api: new PlacementApi(client, givenToken(new Passphrase(Buffer.from(this.#token)))),
      provider: this.id,
      host: this.name,
      timeoutMs,
      close: () => client[Symbol.dispose](),
    });
  }

  async state(): Promise<Traits> {
    const path = `/resource_providers/${this.id}/traits`;
    // Asserted: Placement's documented answer
    return (await this.call("GET", path)).body as Traits;
  }

  async current(): Promise<readonly string[]> {
    return (await this.state()).traits;
  }

  /** Somebody else's read, change and write, again and again until nobody was in between. */
  async addForeign(trait: Trait): Promise<void> {
    await this.makeTrait(trait);
    for (let attempt = 1; ; attempt += 1) {
      const begun = performance.now();
      const now = await this.state();
      try {
        await this.call("PUT", `/resource_providers/${this.id}/traits`, {
          resource_provider_generation: now.resource_provider_generation,
          traits: [...now.traits, trait],
        });
        return;
      } catch (error) {
        if (!(error instanceof UnexpectedAnswer) || error.status !== 409) throw error;
        const took = performance.now() - begun;
        await sleep(Math.random() * Math.min(30_000, took * 2 ** Math.min(attempt, 5)));
      }
    }
  }

  /** Makes it known to Placement, if it can be made. */
  async makeTrait(trait: Trait): Promise<void> {
    if (trait.startsWith("CUSTOM_")) await this.call("PUT", `/traits/${trait}`);
  }

  call(method: string, path: string, json?: unknown) {
    const token = this.#token;
    return call(method, `${this.os.urls.placement}${path}`, {
      token,
      headers: VERSION,
      ...(json ? { json } : {}),
    });
  }
}

/** A trait that no other test uses. */
export function freshTrait(): Trait {
  return `CUSTOM_${randomUUID().replaceAll("-", "").toUpperCase()}`;
}
