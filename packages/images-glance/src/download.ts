import {
  LuksmithError,
  type OpContext,
  type ProgressListener,
  throwIfCancelled,
  type TokenSource,
} from "@luksmith/core";
import { backOff } from "./back-off.ts";
import type { GlanceApi } from "./glance-api.ts";
import { glanceError, isPassing } from "./glance-error.ts";
import type { PartFile } from "./part-file.ts";
import type { WantedContent } from "./wanted-content.ts";

/** An attempt that brings so much was worth it, and the count of failures begins anew. */
const WORTHWHILE = 16n * 1024n * 1024n;

/** A connection that was closed too early, without an error. */
const CUT = Symbol("cut");

/**
 * Gets the bytes that a part lacks. A lost or silent connection is made again from where it broke, `[glance]
 * num_retries` times in a row.
 * @throws `ImageServiceUnavailable`, `ImageCorrupt` when more comes than the image has, what `GlanceApi` throws
 */
export async function download(
  glance: GlanceApi,
  wanted: WantedContent,
  part: PartFile,
  as: TokenSource,
  progress: ProgressListener,
  ctx: OpContext,
): Promise<void> {
  let furthest = part.received;
  let attempt = 0;
  for (let failures = 0; part.received < wanted.size; attempt++) {
    try {
      await receive(glance, wanted, part, as, attempt, progress, ctx);
    } catch (error) {
      throwIfCancelled(ctx);
      if (error !== CUT && !isPassing(error)) throw glanceError(error, wanted.id, "downloading");
      const brought = part.received - furthest;
      if (brought > 0n) furthest = part.received;
      failures = brought >= WORTHWHILE ? 1 : failures + 1;
      if (failures > glance.retries) {
        await part.flush();
        throw brokenOff(error, wanted, part);
      }
      const { id: image } = wanted;
      ctx.log.warn(
        { image, received: String(part.received), failures, ...reasonOf(error) },
        "download broken off",
      );
      await backOff(failures, ctx);
    }
  }
  await part.flush();
}

async function receive(
  glance: GlanceApi,
  wanted: WantedContent,
  part: PartFile,
  as: TokenSource,
  attempt: number,
  progress: ProgressListener,
  ctx: OpContext,
): Promise<void> {
  const { start, body } = await glance.data(wanted.id, part.received, as, attempt, ctx);
  if (start !== part.received) await part.restart();
  const step = `download image ${wanted.id}`;
  progress({ step, doneBytes: part.received, totalBytes: wanted.size });
  for await (const chunk of body) {
    throwIfCancelled(ctx);
    if (part.received + BigInt(chunk.length) > wanted.size) throw tooLong(wanted);
    await part.append(chunk);
    progress({ step, doneBytes: part.received, totalBytes: wanted.size });
  }
  if (part.received < wanted.size) throw CUT;
}

function tooLong({ id, size }: WantedContent): LuksmithError {
  return new LuksmithError(
    "ImageCorrupt",
    `image ${id} has more bytes than the ${size} that Glance says; nothing was kept: upload the image anew`,
    { details: { imageId: id, size: String(size) } },
  );
}

function brokenOff(error: unknown, { id, size }: WantedContent, part: PartFile): LuksmithError {
  const why = error instanceof Error ? error.message : "Glance closed the connection too early";
  return new LuksmithError(
    "ImageServiceUnavailable",
    `downloading image ${id} broke off after ${part.received} of ${size} bytes: ${why}; try again, what came is kept and gone on with`,
    {
      ...(error instanceof Error ? { cause: error } : {}),
      details: { imageId: id, receivedBytes: String(part.received), size: String(size) },
    },
  );
}

function reasonOf(error: unknown): { readonly reason?: string } {
  return error instanceof Error ? { reason: error.message } : {};
}
