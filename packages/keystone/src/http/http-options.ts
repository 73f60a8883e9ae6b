/** How connections to a service are made. Files are read when the first request needs them. */
export interface HttpOptions {
  /** PEM file with the certificates of a private authority. It replaces the system's, as in keystoneauth. */
  readonly caFile?: string | undefined;
  /** Do not verify certificates: Nova's `insecure`, `verify: false` of clouds.yaml. */
  readonly insecure?: boolean | undefined;
  /** PEM file with a client certificate. Without `keyFile` it holds the private key too. */
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
  /** Name look-up, TCP and TLS together. */
  readonly connectTimeoutMs: number;
  /** From the request to the answer's last byte. Streams: to the headers, then between two pieces of the body. */
  readonly timeoutMs: number;
}

export const DEFAULT_HTTP: HttpOptions = { connectTimeoutMs: 10_000, timeoutMs: 60_000 };
