import type { LuksErrorCategory } from "@luksmith/luks";
import { IMAGE_REFUSALS } from "./image-refusals.ts";

/**
 * How a host reacts to an error. The host branches on the category; people search for the code.
 * Each maps to a process exit code (`sysexits.h` where one fits) and to an HTTP status.
 */
export const CATEGORIES = {
  /** A configuration file, a plugin or the state directory is wrong: refuse to start. */
  config: { exitCode: 78, httpStatus: 500 },
  /** The request is wrong: nothing was changed. */
  input: { exitCode: 64, httpStatus: 400 },
  "not-found": { exitCode: 66, httpStatus: 404 },
  /** It exists already, or somebody else uses it. */
  conflict: { exitCode: 73, httpStatus: 409 },
  /** Known, but this host cannot do it: refused before any change. */
  unsupported: { exitCode: 69, httpStatus: 422 },
  permission: { exitCode: 77, httpStatus: 403 },
  /** A service, a tool or space is missing now; the same call may work later. */
  unavailable: { exitCode: 75, httpStatus: 503 },
  timeout: { exitCode: 75, httpStatus: 504 },
  /** A tool exited badly. */
  command: { exitCode: 74, httpStatus: 502 },
  /** A header, a digest or a journal is not what it must be: stop, never repair silently. */
  integrity: { exitCode: 65, httpStatus: 500 },
  /** The caller asked to stop; what was begun was undone. */
  cancelled: { exitCode: 130, httpStatus: 499 },
  /** Our bug. */
  internal: { exitCode: 70, httpStatus: 500 },
} as const satisfies Record<string, { exitCode: number; httpStatus: number }>;

export type ErrorCategory = keyof typeof CATEGORIES;

/**
 * Every code that core, the agent and the plugins in this repository raise. `docs/reference/errors.md` lists the same
 * codes (a test compares). Where Nova or the specification names an error, the code keeps that name.
 * Plugins from elsewhere use a prefix of their own.
 */
export const ERROR_CODES = {
  // requests (Nova's names)
  InvalidRequest: "input",
  FlavorImageConflict: "input",
  InvalidBDM: "input",
  FlavorDiskSmallerThanImage: "input",
  FlavorDiskSmallerThanMinDisk: "input",
  UnsupportedHardware: "unsupported",
  UnsupportedVirtType: "unsupported",
  UnsupportedRescueBus: "unsupported",
  UnsupportedRescueDevice: "unsupported",
  TooManyDiskDevices: "input",
  UnsupportedEncryptionFormat: "unsupported",
  UnsupportedGuestFormat: "unsupported",
  // disks and images
  DiskExists: "conflict",
  DiskInUse: "conflict",
  HeaderCopiesRemain: "conflict",
  DiskNotFound: "not-found",
  DiskReplaced: "integrity",
  DiskNotProven: "integrity",
  DiskNotErased: "integrity",
  CannotShrink: "unsupported",
  ImageNotFound: "not-found",
  ImageUnacceptable: "input",
  ImageFormatMismatch: "input",
  UnsupportedImageFormat: "unsupported",
  ...IMAGE_REFUSALS,
  TargetExists: "conflict",
  NoSpace: "unavailable",
  VolumeGroupUnusable: "unavailable",
  DeviceNodeStale: "integrity",
  UnsupportedOperation: "unsupported",
  // instances and state
  InstanceNotFound: "not-found",
  InstanceExists: "conflict",
  InstanceBusy: "conflict",
  StateDirectoryUnsafe: "config",
  StateLocked: "conflict",
  AuditLogUnwritable: "unavailable",
  JournalCorrupt: "integrity",
  RecoveryIncomplete: "integrity",
  // the daemon
  SocketUnsafe: "config",
  SocketInUse: "conflict",
  DaemonUnavailable: "unavailable",
  DaemonStopping: "unavailable",
  QueueFull: "unavailable",
  TaskNotFound: "not-found",
  IdempotencyKeyReused: "input",
  // key managers
  EphemeralEncryptionSecretNotFound: "not-found",
  EphemeralEncryptionCleanupFailed: "unavailable",
  KeyStoreUnsafe: "config",
  KeyEncryptionKeyMissing: "config",
  KeyEncryptionKeyWrong: "integrity",
  SecretTampered: "integrity",
  KeyManagerUnavailable: "unavailable",
  SecretScopeMismatch: "permission",
  SecretInUse: "conflict",
  RotationIncomplete: "unavailable",
  // statements
  SigningKeyUnsafe: "config",
  SignatureInvalid: "integrity",
  SignerUnknown: "integrity",
  StatementStale: "integrity",
  ReceiptNotFound: "not-found",
  // OpenStack
  TokenMissing: "permission",
  TokenRefused: "permission",
  AuthenticationFailed: "permission",
  QuotaExceeded: "unavailable",
  ServiceRefused: "unavailable",
  EndpointNotFound: "config",
  IdentityUnavailable: "unavailable",
  ImageServiceUnavailable: "unavailable",
  ImageNotActive: "conflict",
  ImageCorrupt: "integrity",
  PlacementUnavailable: "unavailable",
  ResourceProviderNotFound: "not-found",
  ResourceProviderUpdateConflict: "conflict",
  ResourceProviderSyncFailed: "unavailable",
  TraitCreationFailed: "unavailable",
  // libvirt and guests
  LibvirtUnavailable: "unavailable",
  LibvirtTimedOut: "timeout",
  LibvirtAccessDenied: "permission",
  LibvirtUriUnsupported: "unsupported",
  LibvirtProtocolError: "integrity",
  LibvirtFailed: "command",
  DomainNotFound: "not-found",
  DomainExists: "conflict",
  DomainStateConflict: "conflict",
  DomainBusy: "conflict",
  DomainXmlInvalid: "input",
  GuestSecretMissing: "not-found",
  GuestDiskNotOpened: "integrity",
  SecretUsageConflict: "conflict",
  SecretExposed: "integrity",
  PlaintextCopyRefused: "unsupported",
  // Ceph
  CephUnavailable: "unavailable",
  CephTimedOut: "timeout",
  CephAccessDenied: "permission",
  CephPoolNotFound: "config",
  CephFailed: "command",
  // configuration and plugins
  ConfigInvalid: "config",
  ConfigNotFound: "config",
  PluginNotLoadable: "config",
  PluginIncompatible: "config",
  PluginConflict: "config",
  PluginNotAllowed: "config",
  PluginUnsafe: "config",
  // the world
  CommandFailed: "command",
  CommandNotFound: "unavailable",
  CommandTimedOut: "timeout",
  FileUnreadable: "input",
  PermissionDenied: "permission",
  IoError: "unavailable",
  Cancelled: "cancelled",
  UsageError: "input",
  InternalError: "internal",
} as const satisfies Record<string, ErrorCategory>;

export type ErrorCode = keyof typeof ERROR_CODES;

/** A LUKS error's category is always one of ours. */
export type LuksCategoryIsKnown = LuksErrorCategory extends ErrorCategory ? true : never;
