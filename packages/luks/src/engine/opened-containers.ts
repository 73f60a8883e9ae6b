import type { FormattedContainer } from "../format-container.ts";
import type { HeaderWrite } from "../header-write.ts";
import { VolumeKey } from "../keys/volume-key.ts";
import { Passphrase } from "../passphrase.ts";

/** Kept at most: whoever asks for one to be kept takes it soon after. */
const MOST = 16;

/** A container that is known to open by a passphrase, because it was opened by it. Whoever takes it disposes it. */
export interface OpenedContainer extends Disposable {
  readonly passphrase: Passphrase;
  readonly volumeKey: VolumeKey;
  readonly writes: readonly HeaderWrite[];
}

/** Prepared containers that were just given to a disk and are about to be opened. */
export class OpenedContainers implements Disposable {
  readonly #opened = new Map<string, OpenedContainer>();

  /** Keeps copies of the secrets under the container's UUID, in place of the oldest when there are too many. */
  keep(passphrase: Passphrase, { header, writes, volumeKey }: FormattedContainer): void {
    const secrets = new DisposableStack();
    const own = secrets.use(passphrase.use((bytes) => new Passphrase(bytes)));
    const key = secrets.use(volumeKey.use((bytes) => VolumeKey.take(Uint8Array.from(bytes), volumeKey)));
    this.take(header.uuid)?.[Symbol.dispose]();
    this.#opened.set(header.uuid, {
      passphrase: own,
      volumeKey: key,
      writes,
      [Symbol.dispose]: () => secrets.dispose(),
    });
    const [oldest] = this.#opened.keys();
    if (this.#opened.size > MOST && oldest !== undefined) this.take(oldest)?.[Symbol.dispose]();
  }

  take(uuid: string): OpenedContainer | undefined {
    const opened = this.#opened.get(uuid);
    this.#opened.delete(uuid);
    return opened;
  }

  [Symbol.dispose](): void {
    for (const opened of this.#opened.values()) opened[Symbol.dispose]();
    this.#opened.clear();
  }
}
