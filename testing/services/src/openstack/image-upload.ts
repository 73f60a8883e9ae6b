import { openAsBlob } from "node:fs";
import { call } from "./http-api.ts";
import type { UserName } from "./people.ts";

export interface ImageUpload {
  /** Default alice. */
  readonly user?: UserName;
  readonly name?: string;
  /** The content, or the file that has it. Without either the image stays `queued`. */
  readonly bytes?: Uint8Array<ArrayBuffer>;
  readonly path?: string;
  /** Default raw. */
  readonly diskFormat?: string;
  /** Default private. `public` needs an admin, such as paula. */
  readonly visibility?: "private" | "shared" | "community" | "public";
  /** More of the image's properties, such as `hw_ephemeral_encryption`, `min_disk`, `os_hidden`. */
  readonly properties?: Readonly<Record<string, unknown>>;
}

/** @returns the image as Glance shows it afterwards */
export async function uploadImage(
  url: string,
  token: string,
  upload: ImageUpload,
): Promise<Record<string, unknown>> {
  const created = await call("POST", `${url}/v2/images`, {
    token,
    json: {
      name: upload.name ?? "image",
      disk_format: upload.diskFormat ?? "raw",
      container_format: "bare",
      visibility: upload.visibility ?? "private",
      ...upload.properties,
    },
  });
  // Glance's image of a POST that succeeded.
  const image = `${url}/v2/images/${(created.body as { id: string }).id}`;
  const content = upload.path === undefined ? upload.bytes : await openAsBlob(upload.path);
  if (content !== undefined) await putContent(`${image}/file`, token, content);
  return (await call("GET", image, { token })).body as Record<string, unknown>;
}

async function putContent(
  url: string,
  token: string,
  content: Blob | Uint8Array<ArrayBuffer>,
): Promise<void> {
  const response = await fetch(url, {
    method: "PUT",
    headers: { "x-auth-token": token, "content-type": "application/octet-stream" },
    body: content,
    signal: AbortSignal.timeout(300_000),
  });
  if (!response.ok) throw new Error(`PUT ${url}: ${response.status} ${await response.text()}`);
  await response.arrayBuffer();
}
