import * as z from "zod";
import { bytes, time } from "./common.ts";

const base = {
  name: z.string(),
  path: z.string(),
  bytes,
  allocated_bytes: bytes,
  last_used: time,
  used_by: z.array(z.string()),
};
const download = {
  image_id: z.string(),
  path: z.string(),
  bytes,
  allocated_bytes: bytes,
  last_used: time,
  complete: z.boolean(),
};
const outcome = { removed: z.boolean(), kept_because: z.string().nullable() };
export const CacheSchema = z.object({
  bases: z.array(z.object(base)),
  downloads: z.array(z.object(download)),
});
export const PrunedSchema = z.object({
  dry_run: z.boolean(),
  bases: z.array(z.object({ ...base, ...outcome })),
  downloads: z.array(z.object({ ...download, ...outcome })),
  parts: z.array(z.string()),
  freed_bytes: bytes,
});
