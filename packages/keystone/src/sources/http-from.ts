import { DEFAULT_HTTP, type HttpOptions } from "../http/http-options.ts";
import { bool, seconds, type Values } from "./values.ts";

/** How the names differ between nova.conf on one side, clouds.yaml and the variables on the other. */
export interface HttpNames {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly timeout: string;
}

/** @param path makes a file's name absolute */
export function httpFrom(values: Values, names: HttpNames, path = (name: string) => name): HttpOptions {
  const file = (name: string) => {
    const found = values.get(name);
    return found === undefined ? undefined : path(found);
  };
  return {
    ...DEFAULT_HTTP,
    timeoutMs: seconds(values, names.timeout) ?? DEFAULT_HTTP.timeoutMs,
    caFile: file(names.ca),
    certFile: file(names.cert),
    keyFile: file(names.key),
    // `insecure` is the strongest word, as in openstacksdk.
    insecure: bool(values, "insecure") === true || bool(values, "verify") === false,
  };
}
