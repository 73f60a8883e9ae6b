import type { OpContext } from "../../image/op-context.ts";
import type { InstanceRequest } from "../../request/instance-request.ts";
import type { WritableHost } from "../host.ts";
import { requireKeyOwner } from "../operations/key-owner.ts";
import { adoptGuest } from "./adopt-guest.ts";
import { listedDisk, type MoveDocument } from "./move-document.ts";
import { type Spawned, spawnGuest } from "./spawn-guest.ts";

export interface EvacuateOptions {
  /** Where copies of the disks' files can be read, by name; else they are where they were, on storage that both hosts have. */
  readonly from?: string;
  /** The disks are lost: they are made anew from this request, with the passphrases that they had. */
  readonly recreate?: InstanceRequest;
  readonly start: boolean;
}

/**
 * Takes a guest over whose host is gone for good, or is known not to come back with it: only the document that
 * `describeGuest` gave while it lived is needed of that host. UUIDs and secrets stay. All of it or nothing; shared disks
 * are not touched when it fails.
 * @throws as `adoptGuest`, with `recreate` as `spawnGuest`
 */
export async function evacuateGuest(
  host: WritableHost,
  given: MoveDocument,
  { from, recreate, start }: EvacuateOptions,
  ctx: OpContext,
): Promise<Spawned> {
  // One that was offered running says the same, and does not run any more.
  const { live: _live, ...document } = given;
  const { uuid, project_id: project } = document.instance;
  if (!recreate) {
    const place = from === undefined ? { inPlace: true } : { from };
    return await adoptGuest(host, document, { ...place, start }, ctx, { kind: "evacuate", afterwards: [] });
  }
  const services = await host.services();
  await requireKeyOwner(services.keys, uuid, project ?? undefined, ctx);
  const known = document.disks.map((listed) => listedDisk(document, listed));
  const server = { ...recreate.server, tenant_id: recreate.server.tenant_id ?? project };
  const request = { ...recreate, server };
  return await spawnGuest(host, request, { start, template: document.definition, known }, ctx);
}
