import type { FormattedContainer } from "../format-container.ts";
import type { LuksHeader } from "../header/luks-header.ts";
import { serializeHeader } from "../header/serialize-header.ts";
import { GENERATED_ITERATIONS } from "../keys/iterations.ts";
import { GeneratedPassphrase } from "../passphrase.ts";

/** Containers held ready at most, 256 KB each. */
const MOST_READY = 4;
/** Handed out and not yet formatted, at most: whoever takes a passphrase formats soon after. */
const MOST_GIVEN = 16;
/** Above this an idle moment is too short, and the passphrase of an operator who wants it hardly waits for speed. */
const MOST_ITERATIONS = 10 * GENERATED_ITERATIONS;
/** Milliseconds without a request before a container is prepared: longer than a disk takes from passphrase to proof. */
const IDLE = 25;

/** Makes a container for a passphrase and opens it again, on a thread; its header names no disk yet. */
export type PrepareContainer = (
  passphrase: GeneratedPassphrase,
  iterations: number,
) => Promise<FormattedContainer>;

/**
 * Passphrases that come with a container which opens by them and nothing else, made in idle time. All of a header but its
 * UUID and payload offset depends on the passphrase alone, so that a disk's header can be ready before the disk is asked
 * for. Each is for one disk: given once, formatted once. What is never used is wiped.
 */
export class PreparedContainers implements Disposable {
  readonly #prepare: PrepareContainer;
  readonly #isIdle: () => boolean;
  #ready: [GeneratedPassphrase, FormattedContainer][] = [];
  /** In the order in which they were handed out. */
  readonly #given = new Map<GeneratedPassphrase, FormattedContainer>();
  #iterations = GENERATED_ITERATIONS;
  #timer: NodeJS.Timeout | undefined;
  /** A program that makes no disks prepares nothing. */
  #wanted = false;
  #disposed = false;

  /** @param isIdle - whether nobody waits for the threads */
  constructor(prepare: PrepareContainer, isIdle: () => boolean) {
    this.#prepare = prepare;
    this.#isIdle = isIdle;
  }

  /** A new passphrase, with a container if one is ready. The caller owns it. */
  give(): GeneratedPassphrase {
    this.#wanted = true;
    this.#dropUnused();
    const [passphrase, container] = this.#ready.shift() ?? [];
    this.prepareWhenIdle();
    if (passphrase === undefined || container === undefined) return GeneratedPassphrase.create();
    this.#given.set(passphrase, container);
    return passphrase;
  }

  /**
   * The container that was prepared for a passphrase; undefined: none, or it was taken before.
   *
   * @param iterations - what it must have been stretched by; the next are prepared with that
   */
  take(
    passphrase: GeneratedPassphrase,
    { uuid, payloadOffset, iterations }: Pick<LuksHeader, "uuid" | "payloadOffset"> & { iterations: number },
  ): FormattedContainer | undefined {
    const container = this.#given.get(passphrase);
    this.#given.delete(passphrase);
    this.#expect(iterations);
    this.prepareWhenIdle();
    if (container === undefined) return undefined;
    if (container.header.keySlots[0]?.iterations !== iterations) {
      container.volumeKey[Symbol.dispose]();
      return undefined;
    }
    const header = { ...container.header, uuid, payloadOffset };
    const material = container.writes.filter(({ offset }) => offset !== 0);
    const { volumeKey } = container;
    return { header, writes: [...material, { offset: 0, bytes: serializeHeader(header) }], volumeKey };
  }

  /** Called with each request: prepares containers once there was none for a moment. */
  prepareWhenIdle(): void {
    clearTimeout(this.#timer);
    if (!this.#wanted || this.#disposed) return;
    if (this.#ready.length >= MOST_READY || this.#iterations > MOST_ITERATIONS) return;
    this.#timer = setTimeout(() => void this.#prepareOne(), IDLE).unref();
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    clearTimeout(this.#timer);
    this.#drop(this.#ready);
    this.#ready = [];
    for (const { volumeKey } of this.#given.values()) volumeKey[Symbol.dispose]();
    this.#given.clear();
  }

  async #prepareOne(): Promise<void> {
    // The end of whatever keeps the threads busy calls again.
    if (!this.#isIdle()) return;
    const passphrase = GeneratedPassphrase.create();
    try {
      const container = await this.#prepare(passphrase, this.#iterations);
      if (this.#disposed) this.#drop([[passphrase, container]]);
      else this.#ready.push([passphrase, container]);
    } catch {
      // Nobody asked for it. What is wrong with the engine shows in the next format.
      passphrase[Symbol.dispose]();
      return;
    }
    this.prepareWhenIdle();
  }

  #expect(iterations: number): void {
    if (iterations === this.#iterations) return;
    this.#iterations = iterations;
    this.#drop(this.#ready);
    this.#ready = [];
  }

  #drop(pairs: readonly [GeneratedPassphrase, FormattedContainer][]): void {
    for (const [passphrase, { volumeKey }] of pairs) {
      passphrase[Symbol.dispose]();
      volumeKey[Symbol.dispose]();
    }
  }

  /** Those whose passphrase was wiped unused, and the oldest of too many. The passphrases are their takers'. */
  #dropUnused(): void {
    for (const [passphrase, { volumeKey }] of this.#given) {
      if (!passphrase.isWiped && this.#given.size < MOST_GIVEN) continue;
      volumeKey[Symbol.dispose]();
      this.#given.delete(passphrase);
    }
  }
}
