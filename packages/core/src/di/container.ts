import "reflect-metadata";
import { container as globalContainer, instanceCachingFactory, type DependencyContainer } from "tsyringe";
import { LuksmithError } from "../errors/luksmith-error.ts";
import type { ExtensionPoint, Registrar, Resolver, Token } from "./token.ts";

/**
 * The only file that knows tsyringe (docs/adr/0003). It hides what trips users of it: a token with two providers, the
 * parent's list entries hidden by a child, circles that overflow the stack, and disposal of factory-made services.
 */
export class Container implements Registrar, Resolver, AsyncDisposable {
  readonly #inner: DependencyContainer;
  readonly #made: unknown[] = [];
  readonly #resolving: string[] = [];

  private constructor(inner: DependencyContainer) {
    this.#inner = inner;
  }

  static create(): Container {
    return new Container(globalContainer.createChildContainer());
  }

  provide<T>(of: Token<T>, factory: (resolver: Resolver) => T): void {
    if (this.has(of)) {
      throw new LuksmithError("PluginConflict", `two plugins provide ${of.id}; configure only one of them`, {
        details: { token: of.id },
      });
    }
    this.#register(of.id, factory);
  }

  contribute<T>(to: ExtensionPoint<T>, factory: (resolver: Resolver) => T): void {
    this.#register(to.id, factory);
  }

  get<T>(of: Token<T>): T {
    if (!this.has(of)) {
      throw new LuksmithError(
        "PluginConflict",
        `no configured plugin provides ${of.id}; add one to [luksmith] plugins`,
        {
          details: { token: of.id },
        },
      );
    }
    return this.#guarded(of.id, () => this.#inner.resolve<T>(of.id));
  }

  has(of: Token<unknown>): boolean {
    return this.#inner.isRegistered(of.id);
  }

  all<T>(of: ExtensionPoint<T>): readonly T[] {
    return this.#inner.isRegistered(of.id)
      ? this.#guarded(of.id, () => this.#inner.resolveAll<T>(of.id))
      : [];
  }

  /** Disposes what factories made, newest first. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const service of this.#made.splice(0).reverse()) await dispose(service);
    await this.#inner.dispose();
  }

  #register(id: string, factory: (resolver: Resolver) => unknown): void {
    const make = instanceCachingFactory(() => {
      const service = factory(this);
      this.#made.push(service);
      return service;
    });
    this.#inner.register(id, { useFactory: make });
  }

  #guarded<T>(id: string, resolve: () => T): T {
    if (this.#resolving.includes(id)) {
      const circle = [...this.#resolving.slice(this.#resolving.indexOf(id)), id].join(" > ");
      throw new LuksmithError("PluginConflict", `circular dependency: ${circle}`, { details: { circle } });
    }
    this.#resolving.push(id);
    try {
      return resolve();
    } finally {
      this.#resolving.pop();
    }
  }
}

async function dispose(service: unknown): Promise<void> {
  if (typeof service !== "object" || service === null) return;
  if (Symbol.asyncDispose in service) await (service as AsyncDisposable)[Symbol.asyncDispose]();
  else if (Symbol.dispose in service) (service as Disposable)[Symbol.dispose]();
  else if ("close" in service && typeof service.close === "function") await service.close();
}
