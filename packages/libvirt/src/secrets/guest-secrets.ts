import type { Passphrase } from "@luksmith/core";
import { LuksmithError, type OpContext } from "@luksmith/core/host";
import type { LibvirtSecrets, SecretEntry } from "../libvirt-secrets.ts";
import { parseUsage, type SecretUse, usageOf } from "./secret-use.ts";

/** A secret that a guest needs in libvirt: its uuid is the passphrase's in the key manager. */
export interface GuestSecret {
  readonly uuid: string;
  readonly use: SecretUse;
}

export interface EnsureOptions {
  /**
   * What to do with one that was redefined as persistent, so that its passphrase lies on the host's disk: `heal` makes
   * it again in memory only and warns, `refuse` throws. Default `heal`: the guest is no worse off for being started.
   */
  readonly exposed?: "heal" | "refuse";
}

/**
 * The secrets of guests in libvirt: in the daemon's memory only, readable by nobody but QEMU. libvirt forgets them when
 * its daemon restarts; running guests go on, but no guest starts and no disk is attached until they are set again.
 */
export class GuestSecrets {
  readonly #secrets: LibvirtSecrets;

  constructor(secrets: LibvirtSecrets) {
    this.#secrets = secrets;
  }

  /**
   * Makes sure that libvirt has it, with this value; may be called again and again. One that is there under the same
   * usage with another uuid is a stale one of the same disk, and is replaced.
   *
   * @throws `SecretUsageConflict` when the uuid is there under another usage: it is another's, and is not touched
   * @throws `SecretExposed` if that is asked for
   */
  async ensure(
    secret: GuestSecret,
    passphrase: Passphrase,
    ctx: OpContext,
    options: EnsureOptions = {},
  ): Promise<void> {
    const usage = usageOf(secret.use);
    const same = await this.#secrets.find(secret.uuid, ctx);
    if (same && !isFor(same, usage)) throw conflict(secret.uuid, same, usage);
    const kept = same !== undefined && (await this.#keep(secret.uuid, options, ctx));
    if (!same) await this.#dropStale(usage, ctx);
    // Also one that is there may be without its value: it cannot be asked for it.
    await this.#secrets.define({ uuid: secret.uuid, usage }, ctx);
    try {
      await this.#secrets.setValue(secret.uuid, passphrase, ctx);
    } catch (error) {
      // One without a value would look as if all were well.
      if (!kept) await this.#secrets.undefine(secret.uuid, ctx).catch(() => false);
      throw error;
    }
  }

  /**
   * Takes it out of libvirt, if it is there under this usage; running guests keep what they have. Whether it was there.
   * One under another usage stays.
   */
  async remove({ uuid, use }: GuestSecret, ctx: OpContext): Promise<boolean> {
    const found = await this.#secrets.find(uuid, ctx);
    if (!found || !isFor(found, usageOf(use))) return false;
    return this.#secrets.undefine(uuid, ctx);
  }

  /** Ours, by their usage: also those that a Nova on this host has made. */
  async list(ctx: OpContext): Promise<readonly GuestSecret[]> {
    const entries = await this.#secrets.list(ctx);
    return entries.flatMap(({ uuid, usageType, usage }) => {
      const use = usageType === "volume" ? parseUsage(usage) : undefined;
      return use ? [{ uuid, use }] : [];
    });
  }

  /** Which of these libvirt does not have: after a restart of its daemon all. `ensure` heals each. */
  async absent(expected: readonly GuestSecret[], ctx: OpContext): Promise<readonly GuestSecret[]> {
    const present = new Set((await this.list(ctx)).map(key));
    return expected.filter((secret) => !present.has(key(secret)));
  }

  /** Which of ours are on the host's disk, or can be read by libvirt's clients: somebody redefined them. */
  async exposed(ctx: OpContext): Promise<readonly GuestSecret[]> {
    const ours = await this.list(ctx);
    const attributes = await Promise.all(ours.map(({ uuid }) => this.#secrets.attributes(uuid, ctx)));
    return ours.filter((_, index) => {
      const found = attributes[index];
      return found !== undefined && !(found.ephemeral && found.private);
    });
  }

  /** Whether the one that is there may stay. libvirt cannot make it private again: then it has to go. */
  async #keep(uuid: string, { exposed = "heal" }: EnsureOptions, ctx: OpContext): Promise<boolean> {
    const attributes = await this.#secrets.attributes(uuid, ctx);
    if (!attributes || (attributes.ephemeral && attributes.private)) return attributes !== undefined;
    const message = `libvirt's secret ${uuid} was ${attributes.ephemeral ? "readable by its clients" : "on the host's disk"}`;
    if (exposed === "refuse") {
      throw new LuksmithError(
        "SecretExposed",
        `${message}: somebody redefined it; undefine it and give the disk a new passphrase with luksmith rekey`,
        { details: { secret: uuid } },
      );
    }
    ctx.log.warn(
      { secret: uuid, ...attributes },
      `${message}; it is made anew in memory only, but its passphrase may have been read: luksmith rekey gives the disk another`,
    );
    // Takes the file with its value along.
    await this.#secrets.undefine(uuid, ctx);
    return false;
  }

  async #dropStale(usage: string, ctx: OpContext): Promise<void> {
    const stale = await this.#secrets.findByUsage(usage, ctx);
    if (!stale) return;
    ctx.log.info({ secret: stale.uuid, usage }, "replacing a stale secret in libvirt");
    await this.#secrets.undefine(stale.uuid, ctx);
  }
}

function isFor(entry: SecretEntry, usage: string): boolean {
  return entry.usageType === "volume" && entry.usage === usage;
}

function key({ uuid, use }: GuestSecret): string {
  return `${uuid} ${usageOf(use)}`;
}

function conflict(uuid: string, entry: SecretEntry, usage: string): LuksmithError {
  const holder = `${entry.usageType} ${entry.usage || "(no usage)"}`;
  return new LuksmithError(
    "SecretUsageConflict",
    `libvirt has the secret ${uuid} for ${holder}, not for ${usage}; it was not touched; if nobody needs it, virsh secret-undefine ${uuid}`,
    { details: { secret: uuid, usage, present_usage: entry.usage, present_usage_type: entry.usageType } },
  );
}
