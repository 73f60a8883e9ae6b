import {
  type GuestRecord,
  type InstanceRequest,
  rebootGuest,
  type ResumedGuest,
  resumeGuests,
  spawnGuest,
  startGuest,
  stopGuest,
  type WantedPower,
  type WritableHost,
} from "@luksmith/core/host";
import { type Action, type LostAnswer, path } from "./action.ts";
import { type SpawnedDocument, spawnedAgain, spawnedDocument } from "./spawned-document.ts";

/** Whether a guest is to run, which is what its host brings back after a reboot. */
export interface GuestDocument {
  /** The instance's. */
  readonly uuid: string;
  readonly wanted: WantedPower;
}

export interface SpawnInput {
  /** REQUEST.json as it came, and as it was understood. */
  readonly document: unknown;
  readonly request: InstanceRequest;
  readonly start: boolean;
  /** The user's own domain XML. */
  readonly template: string | undefined;
}

export interface StopInput {
  readonly id: string;
  /** How long the guest may take to shut down; 0: none. */
  readonly timeoutMs: number;
}

export const spawn: Action<SpawnInput, SpawnedDocument> = {
  kind: "spawn",
  request: ({ document, start, template }) => ({
    method: "POST",
    path: "/v1/guests",
    body: { request: document, start, domain_xml: template ?? null },
  }),
  run: async (host, { request, start, template }, ctx) => {
    const options = template === undefined ? { start } : { start, template };
    return spawnedDocument(host, await spawnGuest(host, request, options, ctx));
  },
  again: spawnedAgain,
};

export const start: Action<{ readonly id: string }, GuestDocument> = {
  kind: "start",
  request: ({ id }) => ({ method: "POST", path: path("v1", "guests", id, "start") }),
  run: async (host, { id }, ctx) => guestDocument(await startGuest(host, id, ctx)),
  again,
};

export const stop: Action<StopInput, GuestDocument> = {
  kind: "stop",
  request: ({ id, timeoutMs: timeout_ms }) => ({
    method: "POST",
    path: path("v1", "guests", id, "stop"),
    body: { timeout_ms },
  }),
  run: async (host, { id, timeoutMs }, ctx) => guestDocument(await stopGuest(host, id, { timeoutMs }, ctx)),
  again,
};

export const reboot: Action<{ readonly id: string; readonly hard: boolean }, GuestDocument> = {
  kind: "reboot",
  request: ({ id, hard }) => ({ method: "POST", path: path("v1", "guests", id, "reboot"), body: { hard } }),
  run: async (host, { id, hard }, ctx) => {
    await rebootGuest(host, id, { hard }, ctx);
    return { uuid: id, wanted: "on" };
  },
  again,
};

export interface ResumedDocument {
  readonly guests: readonly (Omit<ResumedGuest, "name" | "error"> & {
    readonly name: string | null;
    readonly error: string | null;
  })[];
}

export const resume: Action<undefined, ResumedDocument> = {
  kind: "resume-guests",
  request: () => ({ method: "POST", path: "/v1/guests/resume" }),
  run: async (host, _input, ctx) => ({ guests: (await resumeGuests(host, ctx)).map(resumedDocument) }),
};

function resumedDocument({
  uuid,
  name,
  outcome,
  running,
  error,
}: ResumedGuest): ResumedDocument["guests"][number] {
  return { uuid, outcome, running, name: name ?? null, error: error ?? null };
}

function guestDocument({ uuid, wanted }: GuestRecord): GuestDocument {
  return { uuid, wanted };
}

function again(host: WritableHost, { subject }: LostAnswer): GuestDocument | undefined {
  const guest = host.inventory.guests.find(subject);
  return guest && guestDocument(guest);
}
