import type { HeaderWrite } from "../header-write.ts";
import { LuksError } from "../luks-error.ts";

/** Header areas kept at most: whoever asks for one to be kept takes it soon after. */
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

  /** @throws LuksError `LuksRequestInvalid`: its format failed, or it was taken already */
  take(uuid: string): Uint8Array {
    const area = this.#areas.get(uuid);
    this.#areas.delete(uuid);
    if (area !== undefined) return area;
    throw new LuksError("LuksRequestInvalid", `no container ${uuid} was formatted to be opened`, {
      details: { uuid },
    });
  }
}
