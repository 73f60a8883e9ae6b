import type { Spawned, WantedPower, WritableHost } from "@luksmith/core/host";
import type { LostAnswer } from "./action.ts";
import { type WholeInstanceDocument, wholeInstanceDocument } from "./create.ts";

/** An instance with its guest. */
export interface SpawnedDocument extends WholeInstanceDocument {
  readonly guest: { readonly wanted: WantedPower };
}

export function spawnedDocument(
  { config }: WritableHost,
  { instance, guest }: Pick<Spawned, "instance" | "guest">,
): SpawnedDocument {
  return { ...wholeInstanceDocument(instance, config), guest: { wanted: guest.wanted } };
}

/** The same again, from the inventory. */
export function spawnedAgain(
  host: WritableHost,
  { subject }: Pick<LostAnswer, "subject">,
): SpawnedDocument | undefined {
  const instance = host.inventory.instance(subject);
  const guest = host.inventory.guests.find(subject);
  return instance && guest && spawnedDocument(host, { instance, guest });
}
