import type { Container } from "../../di/container.ts";
import type { ExtensionPoint, Registrar, Resolver, Token } from "../../di/token.ts";
import { isLuksmithError, LuksmithError } from "../../errors/luksmith-error.ts";
import { shapeProblem } from "./provided-shape.ts";
import { callWithin, type PluginLimit } from "./within-limit.ts";

type Factory = (resolver: Resolver) => unknown;

/** One thing that a plugin has registered. */
export interface Registration {
  readonly id: string;
  readonly many: boolean;
  /** @throws errors that name the plugin */
  readonly make: Factory;
}

/** Which plugin made a thing, for messages about two that do not go together. */
const MAKERS = new WeakMap<object, string>();

export function makerOf(value: object): string {
  return MAKERS.get(value) ?? "a plugin";
}

/**
 * Takes what one plugin registers, and puts it into the container only when the plugin has come to its end: one that
 * fails half-way leaves nothing. What its factories make is looked at before anybody uses it.
 */
export class PluginRegistrar implements Registrar {
  readonly registrations: Registration[] = [];
  readonly #limit: PluginLimit;
  #open = true;

  constructor(limit: PluginLimit) {
    this.#limit = limit;
  }

  provide<T>(of: Token<T>, factory: (resolver: Resolver) => T): void {
    const { plugin } = this.#limit;
    if (this.registrations.some(({ id, many }) => id === of.id && !many)) {
      throw new LuksmithError("PluginConflict", `plugin ${plugin} provides ${of.id} twice; tell its author`, {
        details: { plugin, token: of.id },
      });
    }
    this.#add(of.id, false, factory);
  }

  contribute<T>(to: ExtensionPoint<T>, factory: (resolver: Resolver) => T): void {
    this.#add(to.id, true, factory);
  }

  /** @throws `PluginConflict` for what another plugin provides already */
  commit(container: Container, owners: Map<string, string>): void {
    const { plugin } = this.#limit;
    this.#open = false;
    for (const { id, many } of this.registrations) {
      if (many || !container.has({ id })) continue;
      const owner = owners.get(id) ?? "the host itself";
      throw new LuksmithError(
        "PluginConflict",
        `two plugins provide ${id}: ${owner} and ${plugin}; configure only one of them`,
        { details: { plugin, owner, token: id } },
      );
    }
    for (const { id, many, make } of this.registrations) {
      if (many) container.contribute({ id, many }, make);
      else {
        owners.set(id, plugin);
        container.provide({ id }, make);
      }
    }
  }

  #add(id: unknown, many: boolean, factory: unknown): void {
    const { plugin } = this.#limit;
    if (!this.#open) {
      throw new LuksmithError(
        "PluginNotLoadable",
        `plugin ${plugin} registers something after its register has ended`,
      );
    }
    if (typeof id !== "string" || typeof factory !== "function") {
      throw new TypeError("it registers something other than a factory under a token");
    }
    this.registrations.push({ id, many, make: (resolver) => this.#make(id, factory as Factory, resolver) });
  }

  #make(id: string, factory: Factory, resolver: Resolver): unknown {
    const { plugin } = this.#limit;
    let made: unknown;
    try {
      made = callWithin(this.#limit, `making ${id}`, () => factory(resolver));
    } catch (error) {
      throw inPlugin(plugin, `making ${id}`, error);
    }
    const problem = shapeProblem(id, made);
    if (problem !== undefined) {
      throw new LuksmithError(
        "PluginNotLoadable",
        `plugin ${plugin} is not usable: ${problem}; tell its author`,
        {
          details: { plugin, token: id },
        },
      );
    }
    if (typeof made === "object" && made !== null) MAKERS.set(made, plugin);
    return made;
  }
}

/** What a plugin threw, with its name; ours as they are. */
export function inPlugin(plugin: string, what: string, error: unknown): Error {
  if (isLuksmithError(error)) return error;
  return new LuksmithError("PluginNotLoadable", `plugin ${plugin} failed while ${what}: ${String(error)}`, {
    cause: error,
    details: { plugin },
  });
}
