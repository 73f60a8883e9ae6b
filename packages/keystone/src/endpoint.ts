import { LuksmithError, type OpContext, type TokenSource } from "@luksmith/core";
import type { Catalog, WantedEndpoint } from "./session/catalog.ts";
import type { KeystoneSession } from "./session/keystone-session.ts";
import { type Keystone, tokenInfo } from "./session/token-knowledge.ts";

export interface EndpointOptions extends WantedEndpoint {
  /** `endpoint_override`: no catalog is asked. */
  readonly override?: string | undefined;
  /** The agent's own account; its catalog goes first. */
  readonly session?: KeystoneSession | undefined;
  /** Where to ask for the catalog of a caller's token. */
  readonly keystone?: Keystone | undefined;
  /** For messages: `Barbican`. */
  readonly service: string;
}

/**
 * Where a service is: the configuration's word, else the catalog of the agent's own account, else that of the
 * caller's token. The result asks again at each call; catalogs are kept by their sessions.
 * @throws `EndpointNotFound`, and what `tokenInfo` throws
 */
export function endpointFrom(
  options: EndpointOptions,
): (as: TokenSource | undefined, ctx: OpContext) => Promise<string> {
  const override = options.override?.replace(/\/+$/, "");
  return async (as, ctx) => {
    if (override !== undefined && override !== "") return override;
    const catalogs = [];
    for (const ask of catalogSources(options, as)) {
      const catalog = await ask(ctx);
      const found = catalog.endpoint(options);
      if (found !== undefined) return found;
      catalogs.push(catalog);
    }
    throw notFound(options, catalogs);
  };
}

function catalogSources(
  { session, keystone }: EndpointOptions,
  as: TokenSource | undefined,
): ((ctx: OpContext) => Promise<Catalog>)[] {
  const sources = [];
  if (session !== undefined) sources.push(async (ctx: OpContext) => (await session.info(ctx)).catalog);
  const where = keystone ?? session;
  if (as !== undefined && as !== session && where !== undefined) {
    sources.push(async (ctx: OpContext) => (await tokenInfo(as, where, ctx)).catalog);
  }
  return sources;
}

function notFound(options: EndpointOptions, catalogs: readonly Catalog[]): LuksmithError {
  const { service, serviceTypes, interfaces, region, serviceName } = options;
  const wanted = `${interfaces.join(" or ")} endpoint of ${serviceTypes.join(" or ")}`;
  const there = [...new Set(catalogs.flatMap((catalog) => catalog.regions(serviceTypes)))].sort();
  const known =
    catalogs.length === 0
      ? "there is no catalog to look in, since nobody logs in"
      : there.length === 0
        ? "the catalog does not list the service at all"
        : `the catalog has it in ${there.join(", ")}`;
  const where = region === undefined ? "" : ` in region ${region}`;
  return new LuksmithError(
    "EndpointNotFound",
    `no ${wanted}${where} for ${service}: ${known}; correct region and interface, or set the endpoint`,
    { details: { service, serviceTypes, interfaces, region, serviceName, regions: there } },
  );
}
