import { ImageBackends } from "../../image/image-backend.ts";
import { Images } from "../../images/image-service.ts";
import { Hypervisors } from "../../guest/hypervisor.ts";
import { KeyManagers } from "../../key-manager/key-manager.ts";
import { TraitProviders, TraitReporters } from "../../traits/trait.ts";

/** What a plugin can provide, as people call it, and what the host calls without asking whether it is there. */
const KINDS: Readonly<Record<string, { readonly kind: string; readonly methods: readonly string[] }>> = {
  [ImageBackends.id]: { kind: "image-backend", methods: ["image"] },
  [KeyManagers.id]: { kind: "key-manager", methods: ["create", "get", "delete"] },
  [Images.id]: { kind: "image-service", methods: ["open"] },
  [Hypervisors.id]: { kind: "hypervisor", methods: [] },
  [TraitProviders.id]: { kind: "trait-provider", methods: ["traits"] },
  [TraitReporters.id]: { kind: "trait-reporter", methods: ["report"] },
};

/** `image-backend` for what backends are registered under; the id itself for what the host does not know. */
export function kindOf(id: string): string {
  return KINDS[id]?.kind ?? id;
}

/** What is wrong with the shape of what was provided; undefined: nothing. */
export function shapeProblem(id: string, value: unknown): string | undefined {
  const known = KINDS[id];
  if (!known) return undefined;
  if (typeof value !== "object" || value === null) return `its ${known.kind} is no object`;
  for (const method of known.methods) {
    if (typeof Reflect.get(value, method) !== "function") return `its ${known.kind} has no method ${method}`;
  }
  return id === ImageBackends.id ? backendProblem(value) : undefined;
}

function backendProblem(backend: object): string | undefined {
  const name: unknown = Reflect.get(backend, "name");
  if (typeof name !== "string" || name === "") return "its image-backend has no name";
  const capabilities: unknown = Reflect.get(backend, "capabilities");
  if (typeof capabilities !== "object" || capabilities === null) {
    return `its image-backend ${name} declares no capabilities`;
  }
  for (const list of ["formats", "encryption", "snapshot"]) {
    if (!Array.isArray(Reflect.get(capabilities, list))) {
      return `the capabilities of its image-backend ${name} have no list ${list}`;
    }
  }
  for (const flag of ["resize", "overlays"]) {
    if (typeof Reflect.get(capabilities, flag) !== "boolean") {
      return `the capabilities of its image-backend ${name} do not say whether it can ${flag}`;
    }
  }
  return undefined;
}
