import { readFileSync } from "node:fs";
import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { errnoOf, LuksmithError } from "@luksmith/core";
import type { HttpOptions } from "./http-options.ts";

/** Shorter than servers keep idle connections (Apache and Node: 5 s), so that a request rarely meets a dying one. */
const IDLE_MS = 4000;

/** Where connections are kept alive between requests. */
export class Agents implements Disposable {
  readonly http: HttpAgent;
  readonly https: HttpsAgent;

  /** @throws `ConfigInvalid` if a certificate file cannot be read */
  constructor(options: HttpOptions) {
    const keep = { keepAlive: true, timeout: IDLE_MS, scheduling: "lifo" } as const;
    this.http = new HttpAgent(keep);
    this.https = new HttpsAgent({ ...keep, ...tls(options) });
  }

  /** Closes every connection, also those in use. */
  [Symbol.dispose](): void {
    this.http.destroy();
    this.https.destroy();
  }
}

function tls(options: HttpOptions): ConstructorParameters<typeof HttpsAgent>[0] {
  const key = options.keyFile ?? options.certFile;
  return {
    rejectUnauthorized: options.insecure !== true,
    ...(options.caFile === undefined ? {} : { ca: pem(options.caFile, "certificate authority") }),
    ...(options.certFile === undefined ? {} : { cert: pem(options.certFile, "client certificate") }),
    ...(key === undefined ? {} : { key: pem(key, "client key") }),
  };
}

// Read at once and not in the background: it happens once, and the file is small.
function pem(path: string, what: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    const errno = errnoOf(error);
    throw new LuksmithError(
      "ConfigInvalid",
      `the ${what} ${path} cannot be read (${errno}); correct its path`,
      {
        details: { path, errno },
      },
    );
  }
}
