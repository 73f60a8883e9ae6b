import { run } from "./run.ts";

/** The part of CycloneDX 1.5 (ECMA-424) that is read here. */
export interface Sbom {
  readonly bomFormat: string;
  readonly specVersion: string;
  readonly components: readonly SbomComponent[];
}

export interface SbomComponent {
  readonly name: string;
  readonly version: string;
  readonly purl: string;
  readonly licenses?: readonly {
    readonly license?: { readonly id?: string };
    readonly expression?: string;
  }[];
  readonly externalReferences?: readonly { readonly type: string; readonly url: string }[];
}

/** Licences that may be in what hosts install; each lets others use and pass on with its notice. */
const ACCEPTED = new Set([
  "Apache-2.0",
  "MIT",
  "ISC",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "0BSD",
  "BlueOak-1.0.0",
]);

/**
 * The bill of materials of a folder in which packages are installed with npm, as npm itself writes it, without the address of the
 * registry that they happened to come from: a package is named by its `purl`.
 */
export async function sbomOf(folder: string, env: Readonly<Record<string, string>> = {}): Promise<Sbom> {
  const json = await run("npm", ["sbom", "--sbom-format", "cyclonedx", "--omit", "dev"], {
    cwd: folder,
    env,
  });
  const sbom = JSON.parse(json) as Sbom;
  return { ...sbom, components: sbom.components.map(withoutRegistry) };
}

function withoutRegistry(component: SbomComponent): SbomComponent {
  const references = component.externalReferences?.filter(({ type }) => type !== "distribution");
  return references === undefined ? component : { ...component, externalReferences: references };
}

/** @returns one line for each component whose licence nobody has accepted */
export function licenceProblems({ components }: Sbom): readonly string[] {
  return components
    .map(({ name, version, licenses = [] }) => ({ what: `${name}@${version}`, ids: licenses.map(idOf) }))
    .filter(
      ({ ids }) => ids.length === 0 || !ids.every((id) => id.split(" OR ").some((one) => ACCEPTED.has(one))),
    )
    .map(({ what, ids }) => `${what}: ${ids.join(", ") || "no licence"}`);
}

function idOf({ license, expression }: NonNullable<SbomComponent["licenses"]>[number]): string {
  return (license?.id ?? expression ?? "unknown").replaceAll(/[()]/g, "");
}
