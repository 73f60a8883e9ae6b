import { setTimeout as sleep } from "node:timers/promises";
import {
  LuksmithError,
  type OpContext,
  throwIfCancelled,
  type TraitChange,
  type TraitClaim,
} from "@luksmith/core";
import { type MergedTraits, mergeTraits } from "./merge-traits.ts";
import type { PlacementApi, ResourceProvider } from "./placement-api.ts";

const SHORTEST_MS = 100;
const LONGEST_PAUSE_MS = 30_000;
/** Pauses grow to 32 times what an attempt takes: enough for a hundred writers at once. */
const DOUBLINGS = 5;

/**
 * Reads, merges and writes, again and again while others write in between. Nova gives up after four attempts; here time is
 * the bound, since the next round would only begin the same anew. The pauses are random, grow, and start from how long the
 * attempt took: many writers make Placement slow, and only if few of them ask at a time does each have a chance.
 * @param timeoutMs after this time no further attempt is begun
 * @throws `ResourceProviderUpdateConflict`, `ResourceProviderNotFound`, `ResourceProviderSyncFailed`,
 * `TraitCreationFailed`, `Cancelled`, and what `PlacementApi` throws
 */
export async function writeTraits(
  api: PlacementApi,
  provider: ResourceProvider,
  claim: TraitClaim,
  timeoutMs: number,
  ctx: OpContext,
): Promise<TraitChange> {
  const started = performance.now();
  let created = false;
  for (let attempt = 1; ; attempt += 1) {
    const begun = performance.now();
    const now = await api.traitsOf(provider, ctx);
    const merged = mergeTraits(now.traits, claim);
    const { added, removed } = merged;
    if (added.length + removed.length === 0) return { provider, ...now, added, removed };
    const answer = await api.putTraits(provider, { ...now, traits: merged.traits }, ctx);
    if (answer !== "conflict" && "traits" in answer) return { provider, ...answer, added, removed };
    if (answer !== "conflict") {
      if (created) throw refused(provider, answer.refused);
      await createMissing(api, provider, merged, answer.refused, ctx);
      created = true;
      continue;
    }
    ctx.log.debug({ provider, attempt }, "others changed the resource provider; reading it anew");
    if (performance.now() - started >= timeoutMs) throw conflict(provider, attempt, timeoutMs);
    await pause(attempt, performance.now() - begun, ctx);
  }
}

/** @throws `ResourceProviderSyncFailed` if none is missing: then the refusal was about something else */
async function createMissing(
  api: PlacementApi,
  provider: ResourceProvider,
  { added }: MergedTraits,
  refusal: string,
  ctx: OpContext,
): Promise<void> {
  const unknown = added.length > 0 ? await api.unknownTraits(added, ctx) : [];
  if (unknown.length === 0) throw refused(provider, refusal);
  for (const trait of unknown) await api.createTrait(trait, ctx);
}

async function pause(attempt: number, tookMs: number, ctx: OpContext): Promise<void> {
  const grown = Math.max(SHORTEST_MS, tookMs) * 2 ** Math.min(attempt, DOUBLINGS);
  const pauseMs = Math.random() * Math.min(LONGEST_PAUSE_MS, grown);
  await sleep(pauseMs, undefined, { signal: ctx.signal }).catch(() => {});
  throwIfCancelled(ctx);
}

function refused(provider: ResourceProvider, refusal: string): LuksmithError {
  return new LuksmithError(
    "ResourceProviderSyncFailed",
    `Placement refused the traits of ${provider.name}: ${refusal}; nothing was changed`,
    { details: { provider: provider.id, name: provider.name, status: 400 } },
  );
}

function conflict(provider: ResourceProvider, attempts: number, timeoutMs: number): LuksmithError {
  return new LuksmithError(
    "ResourceProviderUpdateConflict",
    `others changed the resource provider ${provider.name} each of the ${attempts} times that its traits were written within ${timeoutMs / 1000} s; try again, or raise [luksmith:traits-placement] timeout`,
    { details: { provider: provider.id, name: provider.name, attempts, status: 409 }, retryable: true },
  );
}
