import {
  type CopyTarget,
  type GuestDescription,
  type GuestDisks,
  type GuestKey,
  type GuestState,
  type Hypervisor,
  isLuksmithError,
  type OpContext,
  type Passphrase,
} from "@luksmith/core";
import { type HostConfig, placedDisks } from "@luksmith/core/host";
import { diskXmlOptions } from "../disk-xml.ts";
import { domainXml } from "../domain/domain-xml.ts";
import { guestOf } from "../domain/guest-of.ts";
import { withOurDisks } from "../domain/with-our-disks.ts";
import { withoutDisks } from "../domain/without-disks.ts";
import type { DomainState, LibvirtDomains } from "../libvirt-domains.ts";
import { type GuestSecret, GuestSecrets } from "../secrets/guest-secrets.ts";
import { copyDisk } from "./copy-disk.ts";
import type { ConnectOptions } from "../rpc/rpc-connection.ts";
import { LazyConnection } from "./lazy-connection.ts";
import { LibvirtLive } from "./libvirt-live.ts";

const OFF: ReadonlySet<DomainState> = new Set(["off", "crashed", "no-state"]);
const PAUSED: ReadonlySet<DomainState> = new Set(["paused", "pm-suspended"]);

/** Guests of the libvirt at one URI. */
export class LibvirtHypervisor implements Hypervisor, Disposable {
  readonly name = "libvirt";
  readonly live: LibvirtLive;
  readonly #connection: LazyConnection;

  /** For what else is asked of the same libvirt. */
  get connection(): LazyConnection {
    return this.#connection;
  }

  /** @param uri `[libvirt] connection_uri` */
  constructor(uri: string, options: ConnectOptions = {}) {
    this.#connection = new LazyConnection(uri, options);
    this.live = new LibvirtLive(this.#connection);
  }

  describe({ request, instance, config, template }: GuestDescription): string {
    if (template !== undefined) return this.redescribe(template, instance, config);
    return domainXml(guestOf(request, instance, config));
  }

  redescribe(
    definition: string,
    instance: GuestDisks,
    config: HostConfig,
    without: GuestDisks["disks"] = [],
  ): string {
    const options = { ...diskXmlOptions(config), uuid: instance.uuid };
    const rest = withoutDisks(definition, new Set(without.map(({ path }) => path)));
    return withOurDisks(rest, placedDisks(instance), options);
  }

  async state(uuid: string, ctx: OpContext): Promise<GuestState> {
    const domains = await this.#domains(ctx);
    const state = await unless("DomainNotFound", () => domains.state(uuid, ctx));
    if (state === undefined) return "absent";
    if (OFF.has(state)) return "off";
    return PAUSED.has(state) ? "paused" : "running";
  }

  async define(definition: string, ctx: OpContext): Promise<void> {
    await (await this.#domains(ctx)).define(definition, ctx);
  }

  async undefine(uuid: string, ctx: OpContext): Promise<void> {
    await (await this.#domains(ctx)).undefine(uuid, ctx);
  }

  async start(uuid: string, ctx: OpContext): Promise<void> {
    await (await this.#domains(ctx)).start(uuid, ctx);
  }

  async shutDown(uuid: string, ctx: OpContext): Promise<void> {
    const domains = await this.#domains(ctx);
    // It may have ended by itself just now.
    await unless("DomainStateConflict", () => domains.shutdown(uuid, ctx));
  }

  async reboot(uuid: string, ctx: OpContext): Promise<void> {
    await (await this.#domains(ctx)).reboot(uuid, ctx);
  }

  async destroy(uuid: string, ctx: OpContext): Promise<void> {
    const domains = await this.#domains(ctx);
    await unless("DomainNotFound", () => domains.destroy(uuid, ctx));
  }

  async giveKey(key: GuestKey, passphrase: Passphrase, ctx: OpContext): Promise<void> {
    await (await this.#secrets(ctx)).ensure(secretOf(key), passphrase, ctx);
  }

  async takeKey(key: GuestKey, ctx: OpContext): Promise<void> {
    await (await this.#secrets(ctx)).remove(secretOf(key), ctx);
  }

  async keys(ctx: OpContext): Promise<readonly GuestKey[]> {
    return (await (await this.#secrets(ctx)).list(ctx)).map(keyOf);
  }

  async lost(ctx: OpContext): Promise<void> {
    const { closed } = await this.#connection.get(ctx);
    const { promise: aborted, resolve } = Promise.withResolvers<void>();
    ctx.signal.addEventListener("abort", () => resolve(), { once: true });
    if (ctx.signal.aborted) resolve();
    await Promise.race([closed, aborted]);
  }

  async grow(uuid: string, device: string, bytes: bigint, ctx: OpContext): Promise<void> {
    await (await this.#connection.get(ctx)).disks.grow(uuid, device, bytes, ctx);
  }

  async copyDisk(uuid: string, device: string, target: CopyTarget, ctx: OpContext): Promise<void> {
    const { disks } = await this.#connection.get(ctx);
    await copyDisk(disks, uuid, device, target, ctx);
  }

  async stopCopy(uuid: string, device: string, ctx: OpContext): Promise<void> {
    const { disks, domains } = await this.#connection.get(ctx);
    await domains.settle(uuid, ctx);
    const domain = await domains.find(uuid, ctx);
    // A guest that has ended has taken its jobs along.
    if (domain?.active && (await disks.job(uuid, device, ctx))) {
      await disks.finishCopy(uuid, device, "stay", ctx);
    }
  }

  [Symbol.dispose](): void {
    this.#connection[Symbol.dispose]();
  }

  async #domains(ctx: OpContext): Promise<LibvirtDomains> {
    return (await this.#connection.get(ctx)).domains;
  }

  async #secrets(ctx: OpContext): Promise<GuestSecrets> {
    return new GuestSecrets((await this.#connection.get(ctx)).secrets);
  }
}

function secretOf({ secretId, use }: GuestKey): GuestSecret {
  return { uuid: secretId, use: use.kind === "disk" ? use : { kind: "base", secretUuid: secretId } };
}

function keyOf({ uuid, use }: GuestSecret): GuestKey {
  return { secretId: uuid, use: use.kind === "disk" ? use : { kind: "base" } };
}

async function unless<T>(code: string, run: () => Promise<T>): Promise<T | undefined> {
  try {
    return await run();
  } catch (error) {
    if (isLuksmithError(error) && error.code === code) return undefined;
    throw error;
  }
}
