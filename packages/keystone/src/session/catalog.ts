export const INTERFACES = ["public", "internal", "admin"] as const;
export type Interface = (typeof INTERFACES)[number];

export interface CatalogService {
  readonly type: string;
  readonly name?: string | undefined;
  readonly endpoints: readonly CatalogEndpoint[];
}

export interface CatalogEndpoint {
  readonly interface: string;
  readonly region?: string | null | undefined;
  readonly region_id?: string | null | undefined;
  readonly url: string;
}

/** Which endpoint is looked for. */
export interface WantedEndpoint {
  /** In order of preference: `key-manager`. */
  readonly serviceTypes: readonly string[];
  /** In order of preference. */
  readonly interfaces: readonly Interface[];
  /** Undefined: any, the catalog's first. */
  readonly region?: string | undefined;
  readonly serviceName?: string | undefined;
}

/** The services that a token's catalog lists. */
export class Catalog {
  readonly #services: readonly CatalogService[];

  constructor(services: readonly CatalogService[]) {
    this.#services = services;
  }

  /** The base URL, without a slash at its end, or undefined. The service's type is preferred before the interface. */
  endpoint(want: WantedEndpoint): string | undefined {
    for (const type of want.serviceTypes) {
      const endpoints = this.#services
        .filter((service) => service.type === type)
        .filter(({ name }) => want.serviceName === undefined || name === want.serviceName)
        .flatMap((service) => service.endpoints)
        .filter((endpoint) => want.region === undefined || regionOf(endpoint) === want.region);
      for (const wanted of want.interfaces) {
        // Catalogs of Keystone v2 said `publicURL`.
        const found = endpoints.find((endpoint) => endpoint.interface.replace(/URL$/, "") === wanted);
        if (found !== undefined) return found.url.replace(/\/+$/, "");
      }
    }
    return undefined;
  }

  /** The regions that have this service, for messages; sorted. */
  regions(serviceTypes: readonly string[]): readonly string[] {
    const regions = this.#services
      .filter((service) => serviceTypes.includes(service.type))
      .flatMap((service) => service.endpoints.map((endpoint) => regionOf(endpoint) ?? "(none)"));
    return [...new Set(regions)].sort();
  }
}

function regionOf({ region_id: id, region }: CatalogEndpoint): string | undefined {
  return id ?? region ?? undefined;
}
