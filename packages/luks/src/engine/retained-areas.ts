import type { HeaderWrite } from "../header-write.ts";

/** Header areas kept at most, so that creates in a crowd, or behind a slow key manager, take no more memory than that. */
const MOST = 16;

/** The start of a container, up to the end of the last write. */
export function areaOf(writes: readonly HeaderWrite[]): Uint8Array<ArrayBuffer> {
  const area = new Uint8Array(Math.max(...writes.map(({ offset, bytes }) => offset + bytes.length)));
  for (const { offset, bytes } of writes) area.set(bytes, offset);
  return area;
}

/** Header areas that were just made in this thread and are about to be opened in it. */
export class RetainedAreas {
  readonly #areas = new Map<string, Uint8Array>();

  /** Keeps a copy under the container's UUID, in place of the oldest when there are too many. */
  keep(uuid: string, writes: readonly HeaderWrite[]): void {
    this.#areas.set(uuid, areaOf(writes));
    const [oldest] = this.#areas.keys();
    if (this.#areas.size > MOST && oldest !== undefined) this.#areas.delete(oldest);
  }

  /** Undefined: its format failed, it was taken already, or it gave way to newer ones. */
  take(uuid: string): Uint8Array | undefined {
    const area = this.#areas.get(uuid);
    this.#areas.delete(uuid);
    return area;
  }
}
