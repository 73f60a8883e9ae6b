import {
  type Hypervisor,
  Hypervisors,
  type KeyManager,
  KeyManagers,
  type Plugin,
  type Registrar,
} from "@luksmith/core";
import { errorToJson, type ImportModule, WritableHost } from "@luksmith/core/host";
import { act } from "./child/act.ts";
import { GUEST_CHANGES } from "./child/instants.ts";
import type { Action } from "./child/scenario.ts";
import { Life, mortal, thisLife } from "./mortal.ts";
import type { TempHost } from "./temp-host.ts";
import { importWorkspace, testContext } from "./workspace.ts";

const KEY_CHANGES = ["create", "delete"] as const satisfies readonly (keyof KeyManager)[];

/** Loads plugins whose key manager and hypervisor know of lives. */
const importMortal: ImportModule = async (specifier) => {
  const module = await importWorkspace(specifier);
  const { default: plugin } = module as { default: Plugin };
  const register = (registrar: Registrar, config: unknown): void =>
    plugin.register(
      {
        provide: (of, factory) =>
          registrar.provide(of, (resolver) => {
            const made = factory(resolver);
            if (of.id === KeyManagers.id)
              return mortal(made as KeyManager, KEY_CHANGES, "key") as typeof made;
            if (of.id === Hypervisors.id) {
              return mortal(made as Hypervisor, GUEST_CHANGES, "guest") as typeof made;
            }
            return made;
          }),
        contribute: (to, factory) => registrar.contribute(to, factory),
      },
      config,
    );
  return { default: { ...plugin, register } };
};

/** What came of an operation that its process has survived. */
export interface Survived {
  readonly error?: { readonly code: string };
  /** Those at which it could have died. */
  readonly instants: readonly string[];
}

/** Does one operation as by a process that dies at an instant; undefined when it did. */
export async function actMortally(
  temp: TempHost,
  action: Action,
  killAt: number | undefined,
): Promise<Survived | undefined> {
  const config = await temp.config();
  const life = new Life(killAt);
  const ctx = testContext({ progress: ({ step }) => void step });
  const options = {
    importModule: importMortal,
    command: "a mortal test",
    onJournal: ({ event }: { event: string }) => thisLife()?.pass(`journal: ${event}`),
  };
  let host: WritableHost | undefined;
  try {
    const outcome = await life.live(async () => {
      host = await WritableHost.write(config, options, ctx);
      await act(host, action, ctx);
    });
    return outcome && { instants: life.passed };
  } catch (error) {
    return { error: errorToJson(error) as { code: string }, instants: life.passed };
  } finally {
    // As the kernel does for a dead process: threads end, locks and descriptors go.
    await host?.[Symbol.asyncDispose]();
    await life.closeFiles();
  }
}
