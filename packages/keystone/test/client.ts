import { Passphrase, type TokenSource } from "@luksmith/core";
import { ServiceClient, type ServiceClientOptions, type ServiceRequest } from "../src/index.ts";

/** A client of a server under test: quick repetitions, no breaker in the way. */
export function clientOf(url: string, options: Partial<ServiceClientOptions> = {}): ServiceClient {
  return new ServiceClient({
    service: "Thing",
    endpoint: () => Promise.resolve(url),
    http: { connectTimeoutMs: 5000, timeoutMs: 5000 },
    maxConcurrent: 8,
    retries: { attempts: 3, baseMs: 1, maxMs: 20 },
    breaker: { failures: 1000, openMs: 1000 },
    ...options,
  });
}

export function get(path: string, more: Partial<ServiceRequest> = {}): ServiceRequest {
  return { method: "GET", path, as: undefined, repeatable: true, expect: [200], ...more };
}

export function post(path: string, more: Partial<ServiceRequest> = {}): ServiceRequest {
  return { method: "POST", path, as: undefined, repeatable: false, expect: [201], ...more };
}

export const secret = (text: string) => Passphrase.take(Buffer.from(text));

/** A source of the tokens `names`, in this order; `asked` counts. */
export function tokenSource(...names: string[]): TokenSource & { readonly asked: { renew: number } } {
  const tokens = names.map(secret);
  const asked = { renew: 0 };
  return {
    asked,
    current: () => Promise.resolve(tokens.at(0)!),
    renew: (refused) => {
      asked.renew += 1;
      return Promise.resolve(tokens[tokens.indexOf(refused) + 1]);
    },
  };
}

/** What was thrown. */
export async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => {
      throw new Error("it did not fail");
    },
    (error: unknown) => error,
  );
}
