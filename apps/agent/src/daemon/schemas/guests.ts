import * as z from "zod";
import { json, uuid } from "./common.ts";
import { InstanceSchema } from "./instances.ts";

export const wanted = z
  .enum(["on", "off"])
  .meta({ description: "Whether the host brings it back after a reboot." });
export const GuestSchema = z.object({ uuid, wanted });
export const RescuedSchema = GuestSchema.extend({ rescued: z.boolean() });
export const OfferSchema = json.meta({
  description: "All that another host needs; nothing in it is secret.",
});
export const ShelvedSchema = z.object({ uuid, path: z.string(), document: OfferSchema });
export const TargetSchema = json.meta({
  description: "Where the disks are that a guest may come to; nothing in it is secret.",
});
export const MovedSchema = z.object({ uuid, here: z.boolean() });
export const ReceiptSchema = z.object({
  kind: z.literal("luksmith.move-receipt"),
  version: z.literal(1),
  uuid,
  outcome: z.enum(["sent", "arrived", "removed", "kept", "dismissed"]),
  here: z.boolean().meta({ description: "Whether the guest is this host's." }),
});
export const SpawnedSchema = InstanceSchema.extend({ guest: z.object({ wanted }) });
export const ResumedSchema = z.object({
  guests: z.array(
    z.object({
      uuid,
      name: z.string().nullable(),
      outcome: z.enum(["started", "running", "healed", "waiting", "failed"]),
      running: z.boolean(),
      error: z.string().nullable(),
    }),
  ),
});
