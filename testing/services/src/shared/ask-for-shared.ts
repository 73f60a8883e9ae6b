import { connect } from "node:net";
import { text } from "node:stream/consumers";

declare module "vitest" {
  export interface ProvidedContext {
    /** The sockets on which the run's services are to be had. */
    readonly luksmithServices: string;
    readonly luksmithLibvirt: string;
    readonly luksmithCeph: string;
    readonly luksmithDmKernel: string;
  }
}

export type SharedService = "luksmithServices" | "luksmithLibvirt" | "luksmithCeph" | "luksmithDmKernel";

/** What comes over the socket, as JSON. */
export type SharedAnswer<Info> = { readonly info: Info } | { readonly error: string };

/** Asks the run's global setup for an environment; the first one who asks waits until it is there. */
export async function askForShared<Info>(which: SharedService): Promise<Info> {
  const answer = JSON.parse(await text(connect(await socketPath(which)))) as SharedAnswer<Info>;
  if ("error" in answer) throw new Error(answer.error);
  return answer.info;
}

async function socketPath(which: SharedService): Promise<string> {
  // Only here: outside of a test, vitest cannot be loaded, and the rest of this package works there.
  const { inject } = await import("vitest");
  // The types say that it is there; they do not know the configuration.
  const path = inject(which) as string | undefined;
  if (path === undefined) {
    throw new Error(
      'shared services need `globalSetup: ["testing/services/src/shared/global-setup.ts"]` in vitest\'s configuration',
    );
  }
  return path;
}
