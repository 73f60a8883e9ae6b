import * as z from "zod";
import { bytes, uuid } from "./common.ts";
import { DiskSchema } from "./disks.ts";

const plainDisk = { name: z.string(), path: z.string(), bytes };
export const LegacyListSchema = z.object({
  instances: z.array(
    z.object({
      uuid,
      name: z.string().nullable(),
      known: z.boolean().meta({ description: "Whether it is in the inventory." }),
      disks: z.array(
        z.object({
          ...plainDisk,
          mapping: z.string().nullable(),
          cipher: z.string().nullable(),
          known_by: z.enum(["inventory", "mapping", "name"]),
          copied_bytes: bytes.nullable(),
        }),
      ),
    }),
  ),
});
export const LegacyDisksSchema = z.object({ uuid, disks: z.array(DiskSchema) });
export const LegacyPlanSchema = z.object({
  uuid,
  disks: z.array(
    z.object({
      uuid,
      ...plainDisk,
      copied_bytes: bytes,
      space_bytes: bytes,
      evidence: z.string().nullable().meta({ description: "What shows that the key is the right one." }),
      seconds: z.number().nullable().meta({ description: "About how long it takes." }),
      old_key: z.string().nullable(),
      steps: z.array(z.string()),
    }),
  ),
});
export const OpenedPlainSchema = z.object({
  disks: z.array(
    z.object({ instance: uuid, name: z.string(), path: z.string(), error: z.string().nullable() }),
  ),
});
