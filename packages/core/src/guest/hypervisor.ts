import type { HostConfig } from "../config/host-config.ts";
import { token } from "../di/token.ts";
import type { OpContext } from "../image/op-context.ts";
import type { InstanceRecord } from "../journal/inventory.ts";
import type { InstanceRequest } from "../request/instance-request.ts";
import type { LiveMigration } from "./live-migration.ts";
import type { Passphrase } from "@luksmith/luks";

/** What a key of a guest opens; the hypervisor knows it by the secret's id in the key manager. JSON. */
export type GuestKey = {
  readonly secretId: string;
  readonly use:
    | { readonly kind: "disk"; readonly instanceUuid: string; readonly diskUuid: string }
    /** An encrypted base, on which disks of many guests may stand. */
    | { readonly kind: "base" };
};

/** `paused`: it has its disks open, and its processors stand still. */
export type GuestState = "absent" | "off" | "running" | "paused";

/** An instance with the disks that were made for it. */
export type GuestDisks = Pick<InstanceRecord, "uuid" | "disks" | "diskInfo">;

export interface GuestDescription {
  readonly request: InstanceRequest;
  readonly instance: GuestDisks;
  readonly config: HostConfig;
  /** The user's own definition, into which the disks are put. */
  readonly template?: string;
}

/**
 * What runs guests and decrypts their disks for them. A plugin provides one at most. Guests are named by their
 * instance's uuid. Every method that asks it may end with its being away (retryable; whether the call was carried out is
 * then not known), with a time-out, and with `Cancelled`. Keys stay in the hypervisor's memory and are handed to nobody
 * but the guest's process; it may forget them at any time.
 */
export interface Hypervisor {
  readonly name: string;
  /**
   * A guest's definition, in the hypervisor's own language, without anything secret. Pure.
   * @throws `InvalidRequest`, `UnsupportedVirtType`, `DomainXmlInvalid`
   */
  describe(guest: GuestDescription): string;
  /**
   * A definition with the disks as they are now: other secrets, other bases. Pure.
   * @param without disks that are taken out of the definition first
   */
  redescribe(
    definition: string,
    instance: GuestDisks,
    config: HostConfig,
    without?: GuestDisks["disks"],
  ): string;
  state(uuid: string, ctx: OpContext): Promise<GuestState>;
  /**
   * Makes a guest known, or changes what its next start takes. Idempotent.
   * @throws `DomainXmlInvalid`, `DomainExists` (another guest has its name)
   */
  define(definition: string, ctx: OpContext): Promise<void>;
  /** Forgets a guest that does not run. Idempotent. */
  undefine(uuid: string, ctx: OpContext): Promise<void>;
  /**
   * Starts a defined guest; returns when its disks are open.
   * @throws `GuestSecretMissing`, `GuestDiskNotOpened`, `DiskInUse`, `DiskNotFound`, `DomainStateConflict` (it runs), …
   */
  start(uuid: string, ctx: OpContext): Promise<void>;
  /** Asks the guest to shut down, which it may not do; returns at once. Nothing happens if it does not run. */
  shutDown(uuid: string, ctx: OpContext): Promise<void>;
  /** Asks the guest to reboot, which it may not do; returns at once. */
  reboot(uuid: string, ctx: OpContext): Promise<void>;
  /** Ends a guest as if the power failed, and returns when its disks are closed. Idempotent. */
  destroy(uuid: string, ctx: OpContext): Promise<void>;
  /**
   * Makes sure that it has this key, with this value. Idempotent.
   * @throws `SecretUsageConflict`: the id is there for something else, which was not touched
   */
  giveKey(key: GuestKey, passphrase: Passphrase, ctx: OpContext): Promise<void>;
  /** Idempotent. Running guests keep what they have. */
  takeKey(key: GuestKey, ctx: OpContext): Promise<void>;
  /** The keys it has, of all guests. */
  keys(ctx: OpContext): Promise<readonly GuestKey[]>;
  /** Returns when it ends or restarts, after which it may have forgotten keys; also when `ctx.signal` aborts. */
  lost?(ctx: OpContext): Promise<void>;
  /**
   * Makes a disk of a running guest larger, and tells the guest. Idempotent.
   * @param device its name in disk_info's mapping: `vda`
   * @param bytes as the guest sees them
   * @throws `CannotShrink`
   */
  grow(uuid: string, device: string, bytes: bigint, ctx: OpContext): Promise<void>;
  /**
   * Copies a disk of a running guest, with what it stands on, and returns when the copy is what the disk was at one moment;
   * the guest goes on with its own disk. If it fails, no copying goes on.
   * @throws `PlaintextCopyRefused` for an encrypted disk without a key for the copy
   */
  copyDisk(uuid: string, device: string, target: CopyTarget, ctx: OpContext): Promise<void>;
  /** Ends a copying that `copyDisk` began, in whatever process. Idempotent. */
  stopCopy(uuid: string, device: string, ctx: OpContext): Promise<void>;
  /** Left out: guests move only while they are off. */
  readonly live?: LiveMigration;
}

/** A file that exists, with its header and size. */
export interface CopyTarget {
  /** Absolute. */
  readonly file: string;
  readonly format: "raw" | "qcow2";
  /** That it is encrypted with; the hypervisor has it. */
  readonly key: GuestKey | undefined;
}

/** A host has at most one. */
export const Hypervisors = token<Hypervisor>("luksmith.hypervisor");
