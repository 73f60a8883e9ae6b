import { type GuestRecord, rescueGuest, unrescueGuest, type WritableHost } from "@luksmith/core/host";
import { type Action, type LostAnswer, path } from "./action.ts";
import type { GuestDocument } from "./guest-actions.ts";

/** A guest, and from which disk it boots. */
export interface RescuedDocument extends GuestDocument {
  readonly rescued: boolean;
}

export interface RescueInput {
  readonly id: string;
  /** The image's UUID. */
  readonly image: string;
  /** What the image is declared to be, where the image service does not know. */
  readonly format: "raw" | "qcow2" | undefined;
  /** How long the guest may take to shut down; 0: none. */
  readonly timeoutMs: number;
}

export const rescue: Action<RescueInput, RescuedDocument> = {
  kind: "rescue",
  request: ({ id, image, format, timeoutMs: timeout_ms }) => ({
    method: "POST",
    path: path("v1", "guests", id, "rescue"),
    body: { image, format: format ?? null, timeout_ms },
  }),
  run: async (host, { id, image, format, timeoutMs }, ctx) => {
    const declared = format === undefined ? {} : { declared: { id: image, disk_format: format } };
    return document(await rescueGuest(host, id, { image: { id: image, ...declared }, timeoutMs }, ctx));
  },
  again,
};

export const unrescue: Action<{ readonly id: string }, RescuedDocument> = {
  kind: "unrescue",
  request: ({ id }) => ({ method: "POST", path: path("v1", "guests", id, "unrescue") }),
  run: async (host, { id }, ctx) => document(await unrescueGuest(host, id, ctx)),
  again,
};

function document({ uuid, wanted, rescued }: GuestRecord): RescuedDocument {
  return { uuid, wanted, rescued };
}

function again(host: WritableHost, { subject }: LostAnswer): RescuedDocument | undefined {
  const guest = host.inventory.guests.find(subject);
  return guest && document(guest);
}
