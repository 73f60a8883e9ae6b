import type { DomainEvent, DomainState } from "../libvirt-domains.ts";

// libvirt's numbers for guests, from `libvirt-domain.h`.

export const NO_FLAGS = 0;
export const MAX_DOMAINS = 16_384;
export const DEFINE_VALIDATE = 1;
export const CREATE_PAUSED = 1;
export const XML_INACTIVE = 2;
export const XML_MIGRATABLE = 8;
/** Saved memory, metadata of snapshots and checkpoints, NVRAM. */
export const UNDEFINE_ALL = 1 | 2 | 4 | 16;
export const MIGRATE = {
  live: 1,
  peerToPeer: 2,
  persistOver: 8,
  undefineSource: 16,
  copyDisks: 64,
  abortOnError: 4096,
  tls: 65_536,
};
/** `VIR_DOMAIN_SHUTOFF_MIGRATED`, why a guest is off. */
export const OFF_BECAUSE_MIGRATED = 4;
/** `VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT` */
export const JOB_MIGRATION_OUT = 5;
export const LIFECYCLE_EVENT = 0;

export const STATES: readonly DomainState[] = [
  "no-state",
  "running",
  "blocked",
  "paused",
  "in-shutdown",
  "off",
  "crashed",
  "pm-suspended",
];
export const EVENTS: readonly DomainEvent["kind"][] = [
  "defined",
  "undefined",
  "started",
  "suspended",
  "resumed",
  "stopped",
  "shutdown",
  "pm-suspended",
  "crashed",
];
