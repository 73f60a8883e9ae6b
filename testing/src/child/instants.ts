import fsSync from "node:fs";
import fs from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import {
  type Hypervisor,
  type KeyManager,
  KeyManagers,
  type Plugin,
  type Registrar,
  type Token,
} from "@luksmith/core";
import type { ImportModule } from "@luksmith/core/host";
import { importRbdCluster } from "../workspace.ts";

/** What of a hypervisor makes a difference to a crash. */
export const GUEST_CHANGES = [
  "giveKey",
  "takeKey",
  "define",
  "undefine",
  "start",
  "shutDown",
  "destroy",
  "grow",
  "copyDisk",
] as const satisfies readonly (keyof Hypervisor)[];

type RbdCall = (op: string, ...rest: readonly unknown[]) => Promise<unknown>;

/**
 * Counts the moments at which a crash makes a difference (a durable journal entry, a name that appeared or vanished, a
 * secret that was stored or deleted, bytes that were copied) and kills this process at the chosen one.
 */
export class Instants {
  readonly passed: string[] = [];
  readonly #killAt: number;

  constructor(killAt = Infinity) {
    this.#killAt = killAt;
  }

  pass(name: string): void {
    this.passed.push(name);
    if (this.passed.length === this.#killAt) process.kill(process.pid, "SIGKILL");
  }

  /** Watches the calls by which names appear and vanish, and files get their size. */
  async watchFiles(): Promise<void> {
    for (const name of ["link", "unlink", "mkdir", "rmdir"] as const) {
      this.#watch(fs, name);
      this.#watchSync(name);
    }
    syncBuiltinESMExports();
    await using file = await fs.open("/dev/null");
    this.#watch(Object.getPrototypeOf(file) as typeof file, "truncate");
  }

  /** Watches the calls by which bytes in a file become durable. */
  async watchSyncs(): Promise<void> {
    await using file = await fs.open("/dev/null");
    this.#watch(Object.getPrototypeOf(file) as typeof file, "datasync");
  }

  #watch<K extends string>(on: Record<K, (...args: never[]) => Promise<unknown>>, name: K): void {
    const original = on[name];
    const pass = (): void => this.pass(name);
    const watched = async function (this: unknown, ...args: never[]): Promise<unknown> {
      const result = await original.apply(this, args);
      pass();
      return result;
    };
    Object.assign(on, { [name]: watched });
  }

  #watchSync(name: "link" | "unlink" | "mkdir" | "rmdir"): void {
    const original: (...args: never[]) => unknown = fsSync[`${name}Sync`];
    const watched = (...args: never[]): unknown => {
      const result = original(...args);
      // The state directory makes names of its own before an operation begins.
      if (/\/instances\/|\.partial$/.test(String(args[0]))) this.pass(name);
      return result;
    };
    Object.assign(fsSync, { [`${name}Sync`]: watched });
  }

  /** Loads plugins whose key manager is watched. */
  watchKeys(importModule: ImportModule): ImportModule {
    return async (specifier) => {
      const module = await importModule(specifier);
      if (!specifier.includes("keymgr")) return module;
      const { default: plugin } = module as { default: Plugin };
      const register = (registrar: Registrar, config: unknown): void =>
        plugin.register({ ...this.#watching(registrar) }, config);
      return { default: { ...plugin, register } };
    };
  }

  /** Loads plugins whose hypervisor is watched: before and after each call that changes something. */
  watchGuests(importModule: ImportModule): ImportModule {
    return async (specifier) => {
      const module = await importModule(specifier);
      if (!specifier.includes("libvirt")) return module;
      const { default: plugin } = module as { default: Plugin };
      const register = (registrar: Registrar, config: unknown): void =>
        plugin.register(
          {
            provide: (of, factory) =>
              registrar.provide(of, (resolver) => {
                const made = factory(resolver);
                // The only service that this plugin provides.
                const hypervisor = made as unknown as Hypervisor;
                for (const name of GUEST_CHANGES) this.#watchGuest(hypervisor, name);
                this.#watchSending(hypervisor);
                return made;
              }),
            contribute: (to, factory) => registrar.contribute(to, factory),
          },
          config,
        );
      return { default: { ...plugin, register } };
    };
  }

  /** Loads the backend for Ceph watched: after each thing that librbd did. */
  watchRbd(importModule: ImportModule): ImportModule {
    return async (specifier) => {
      if (specifier.includes("backend-rbd")) {
        const calls = (await importRbdCluster()).RbdCluster.prototype as unknown as Record<"call", RbdCall>;
        const original = calls.call;
        const pass = (op: string): void => this.pass(`rbd: ${op}`);
        calls.call = async function watched(...args) {
          const result = await original.apply(this, args);
          pass(args[0]);
          return result;
        };
      }
      return importModule(specifier);
    };
  }

  #watchGuest(hypervisor: Hypervisor, name: (typeof GUEST_CHANGES)[number]): void {
    const original = hypervisor[name].bind(hypervisor) as (...args: unknown[]) => Promise<void>;
    const watched = async (...args: unknown[]): Promise<void> => {
      await original(...args);
      this.pass(`guest: ${name}`);
    };
    Object.assign(hypervisor, { [name]: watched });
  }

  #watchSending({ live }: Hypervisor): void {
    if (!live) return;
    const original = live.send.bind(live);
    const send: typeof original = async (...args) => {
      this.pass("guest: to be sent");
      await original(...args);
      this.pass("guest: sent");
    };
    Object.assign(live, { send });
  }

  #watching(registrar: Registrar): Registrar {
    return {
      provide: <T>(of: Token<T>, factory: Parameters<Registrar["provide"]>[1]) =>
        registrar.provide(of, (resolver) => {
          const made = factory(resolver) as T;
          return of.id === KeyManagers.id ? (this.#watchedKeys(made as KeyManager) as T) : made;
        }),
      contribute: (to, factory) => registrar.contribute(to, factory),
    };
  }

  #watchedKeys(keys: KeyManager): KeyManager {
    return {
      name: keys.name,
      create: async (request, ctx) => {
        const ref = await keys.create(request, ctx);
        this.pass("secret created");
        return ref;
      },
      delete: async (ref, ctx) => {
        await keys.delete(ref, ctx);
        this.pass("secret deleted");
      },
      ...(keys.scope ? { scope: keys.scope.bind(keys) } : {}),
      get: (ref, ctx) => keys.get(ref, ctx),
      list: (filter, ctx) => keys.list?.(filter, ctx) ?? nothing(),
      close: async () => keys.close?.(),
    };
  }
}

async function* nothing(): AsyncGenerator<never> {
  // a key manager that cannot list
}
