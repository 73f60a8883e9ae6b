import type { OpContext } from "@luksmith/core";
import type { Libvirt } from "../libvirt.ts";
import { connectLibvirt } from "../rpc/rpc-libvirt.ts";

/** One connection for many operations, made at first use and made again after it was lost. */
export class LazyConnection implements Disposable {
  readonly #uri: string;
  #opening: Promise<Libvirt> | undefined;
  #open: Libvirt | undefined;

  constructor(uri: string) {
    this.#uri = uri;
  }

  /** @throws `LibvirtUnavailable`, `LibvirtAccessDenied`, `LibvirtUriUnsupported`, `LibvirtTimedOut` */
  async get(ctx: OpContext): Promise<Libvirt> {
    if (this.#open) return this.#open;
    // Whose operation is cancelled while it opens does not spoil it for others.
    this.#opening ??= this.#connect({ ...ctx, signal: new AbortController().signal }).finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  [Symbol.dispose](): void {
    this.#open?.[Symbol.dispose]();
    this.#open = undefined;
  }

  async #connect(ctx: OpContext): Promise<Libvirt> {
    const libvirt = await connectLibvirt(this.#uri, ctx);
    this.#open = libvirt;
    void this.#dropWhenClosed(libvirt);
    return libvirt;
  }

  async #dropWhenClosed(libvirt: Libvirt): Promise<void> {
    await libvirt.closed;
    if (this.#open === libvirt) this.#open = undefined;
  }
}
