import type { OpContext, Passphrase } from "@luksmith/core";
import type { LibvirtSecret } from "./secret-xml.ts";

/** libvirt's secrets. What is made here stays in the daemon's memory and is handed to nobody but QEMU. */
export interface LibvirtSecrets {
  /** Those of all kinds, ours or not. */
  list(ctx: OpContext): Promise<readonly SecretEntry[]>;
  find(uuid: string, ctx: OpContext): Promise<SecretEntry | undefined>;
  /** Among those for volumes. */
  findByUsage(usage: string, ctx: OpContext): Promise<SecretEntry | undefined>;
  /** How it is kept; undefined when there is none. */
  attributes(uuid: string, ctx: OpContext): Promise<SecretAttributes | undefined>;
  /**
   * Makes it, without a value; keeps the value of one that is there with the same usage.
   * @throws `SecretUsageConflict` when its uuid or its usage is taken by another one
   */
  define(secret: LibvirtSecret, ctx: OpContext): Promise<void>;
  /**
   * QEMU takes UTF-8 without NUL, verbatim.
   * @throws `GuestSecretMissing` when it is not defined
   */
  setValue(uuid: string, passphrase: Passphrase, ctx: OpContext): Promise<void>;
  /** Running guests keep what they have. Whether there was one. */
  undefine(uuid: string, ctx: OpContext): Promise<boolean>;
  /** Calls `listener` from now on; one for each connection. */
  onChange(listener: (event: SecretEvent) => void, ctx: OpContext): Promise<void>;
}

export interface SecretEntry {
  readonly uuid: string;
  /** `none`, `volume`, `ceph`, `iscsi`, `tls`, `vtpm`, or a number that is not known here. */
  readonly usageType: string;
  readonly usage: string;
}

export interface SecretAttributes {
  /** No: its value is on the host's disk, readable. */
  readonly ephemeral: boolean;
  /** No: clients of libvirt can read its value. */
  readonly private: boolean;
}

export interface SecretEvent {
  readonly uuid: string;
  readonly usage: string;
  readonly kind: "defined" | "undefined";
}
