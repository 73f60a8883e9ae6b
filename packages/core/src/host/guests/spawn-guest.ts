import { LuksmithError } from "../../errors/luksmith-error.ts";
import type { OpContext } from "../../image/op-context.ts";
import type { GuestRecord } from "../../journal/guests.ts";
import type { InstanceRecord } from "../../journal/inventory.ts";
import type { InstanceRequest } from "../../request/instance-request.ts";
import type { WritableHost } from "../host.ts";
import { createInstance } from "../operations/create-instance.ts";
import type { KnownDisk } from "../operations/plan-again.ts";
import { sagaStep } from "../operations/steps.ts";
import { findInstance } from "../operations/verify-disks.ts";
import { openNewDisks } from "./guest-disks.ts";
import { giveKeys, keysOfOneGuest } from "./guest-keys.ts";
import { startDefined } from "./start-defined.ts";

export interface SpawnOptions {
  readonly start: boolean;
  /** The user's own definition; the disks are put into it. */
  readonly template?: string;
  /** Disks that there were on another host: each gets its UUID and its secret again. */
  readonly known?: readonly KnownDisk[];
}

export interface Spawned {
  readonly instance: InstanceRecord;
  readonly guest: GuestRecord;
}

/**
 * Makes an instance's disks and its guest, with its keys in the hypervisor, and starts it. All of it or nothing: what
 * fails, is cancelled or killed is taken back, the guest first.
 * @throws as `createInstance`; `DomainExists`, `DomainXmlInvalid`, `GuestDiskNotOpened`, …
 */
export async function spawnGuest(
  host: WritableHost,
  request: InstanceRequest,
  options: SpawnOptions,
  ctx: OpContext,
): Promise<Spawned> {
  const { id } = request.server;
  const services = await host.services();
  const { hypervisor } = services;
  let guest: GuestRecord | undefined;
  await createInstance(host, request, ctx, {
    kind: "spawn",
    ...(options.known ? { known: options.known } : {}),
    prepare: async () => {
      if ((await hypervisor.state(id, ctx)) !== "absent") throw exists(id);
    },
    finish: async (created, operation) => {
      const { template } = options;
      const made = options.start ? await openNewDisks(services, created, ctx) : created;
      const description = { request, instance: made, config: host.config };
      const definition = hypervisor.describe(
        template === undefined ? description : { ...description, template },
      );
      operation.intend(sagaStep({ kind: "guest", data: { uuid: id, keys: keysOfOneGuest(host, made) } }));
      await giveKeys(services, made, "all", ctx);
      await hypervisor.define(definition, ctx);
      if (options.start) await startDefined(services, made, ctx);
      const record: GuestRecord = {
        uuid: id,
        definition,
        wanted: options.start ? "on" : "off",
        moving: false,
        rescued: false,
      };
      guest = record;
      return () => {
        for (const { uuid, source } of made.disks) host.inventory.setSource(uuid, source);
        host.inventory.guests.add(record);
      };
    },
  });
  if (!guest) throw new Error("a spawn that succeeded has a guest");
  return { instance: findInstance(host, id), guest };
}

function exists(uuid: string): LuksmithError {
  return new LuksmithError(
    "DomainExists",
    `the hypervisor has a guest ${uuid} already, which Luksmith did not make and did not touch; undefine it, or use another server id`,
    { details: { guest: uuid } },
  );
}
