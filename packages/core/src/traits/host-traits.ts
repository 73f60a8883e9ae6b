import { isLuksmithError } from "../errors/luksmith-error.ts";
import type { ImageBackend } from "../image/image-backend.ts";
import { type OpContext, throwIfCancelled } from "../image/op-context.ts";
import {
  ENCRYPTION_TRAITS,
  encryptionTraits,
  type Trait,
  type TraitClaim,
  type TraitProvider,
} from "./trait.ts";

/** Why owned traits are not claimed. */
export interface AbsentTraits {
  /** Who speaks for them: `backend raw`, or a provider's name. */
  readonly source: string;
  readonly traits: readonly Trait[];
  readonly reason: string;
}

export interface HostTraits extends TraitClaim {
  readonly absent: readonly AbsentTraits[];
}

/** What traits follow from. */
export interface TraitSources {
  /** @throws what is wrong with the configuration, so that no disk can be made at all */
  readonly chosenBackend: ImageBackend;
  /** Whether a key manager is configured; it may well be away now. */
  readonly hasKeyManager: boolean;
  readonly traitProviders: readonly TraitProvider[];
}

/**
 * What this host can do now, and why not what it cannot. Fail closed: an ability that cannot be shown is not claimed.
 * Traits tell of the host, not of the services it uses: a key manager that is away for a while takes none of them back,
 * for else each outage would take every host of a cloud from the scheduler, one interval late.
 * @throws only `Cancelled`
 */
export async function hostTraits(sources: TraitSources, ctx: OpContext): Promise<HostTraits> {
  const parts = [await ofBackend(sources, ctx)];
  for (const provider of sources.traitProviders) parts.push(await ofProvider(provider, ctx));
  return {
    traits: sorted(parts.flatMap(({ traits }) => traits)),
    owned: sorted(parts.flatMap(({ owned }) => owned)),
    absent: parts.flatMap(({ absent }) => absent),
  };
}

async function ofBackend(sources: TraitSources, ctx: OpContext): Promise<HostTraits> {
  let source = "backend";
  const without = (reason: string): HostTraits => {
    return nothing(ENCRYPTION_TRAITS, { source, traits: ENCRYPTION_TRAITS, reason });
  };
  try {
    const backend = sources.chosenBackend;
    source = `backend ${backend.name}`;
    const traits = encryptionTraits(backend);
    if (traits.length === 0) return without("it makes no LUKS disks");
    if (!sources.hasKeyManager) return without("no key manager is configured");
    const reason = await backend.ready?.(ctx);
    return reason === undefined ? { traits, owned: ENCRYPTION_TRAITS, absent: [] } : without(reason);
  } catch (error) {
    return without(reasonOf(error, ctx));
  }
}

async function ofProvider(provider: TraitProvider, ctx: OpContext): Promise<HostTraits> {
  const { name, owned } = provider;
  try {
    const said = await provider.traits(ctx);
    const traits = owned.filter((trait) => said.includes(trait));
    const absent = owned.filter((trait) => !said.includes(trait));
    const reason = "it says that this host does not have them";
    return { traits, owned, absent: absent.length > 0 ? [{ source: name, traits: absent, reason }] : [] };
  } catch (error) {
    return nothing(owned, { source: name, traits: owned, reason: reasonOf(error, ctx) });
  }
}

function nothing(owned: readonly Trait[], absent: AbsentTraits): HostTraits {
  return { traits: [], owned, absent: [absent] };
}

/** @throws `Cancelled`, which says nothing about the host */
function reasonOf(error: unknown, ctx: OpContext): string {
  throwIfCancelled(ctx);
  if (isLuksmithError(error) && error.category === "cancelled") throw error;
  return error instanceof Error ? error.message : String(error);
}

function sorted(traits: readonly Trait[]): readonly Trait[] {
  return [...new Set(traits)].sort();
}
