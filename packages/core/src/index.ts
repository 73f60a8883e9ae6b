export * from "@luksmith/luks";
export { type Command, type CommandResult, type CommandRunner, Commands } from "./command/command-runner.ts";
export { programTrouble } from "./command/program-trouble.ts";
export { openTmpfsFile } from "./command/tmpfs-file.ts";
export {
  extensionPoint,
  type ExtensionPoint,
  type Registrar,
  type Resolver,
  token,
  type Token,
} from "./di/token.ts";
export type { Origin, TokenHolder } from "./audit/audit-event.ts";
export { CATEGORIES, ERROR_CODES, type ErrorCategory, type ErrorCode } from "./errors/codes.ts";
export {
  type AnyLuksmithError,
  type ErrorOptions,
  errorToJson,
  exitCodeOf,
  isLuksmithError,
  LuksmithError,
} from "./errors/luksmith-error.ts";
export {
  type Finding as HealthFinding,
  type HealthCheck,
  HealthChecks,
  type HealthSubject,
  type Severity,
} from "./health/health-check.ts";
export {
  type CopyTarget,
  type GuestDescription,
  type GuestDisks,
  type GuestKey,
  type GuestState,
  type Hypervisor,
  Hypervisors,
} from "./guest/hypervisor.ts";
export type { GuestFate, Journey, LiveMigration, MigrationRoute } from "./guest/live-migration.ts";
export {
  cancelledError,
  type OpContext,
  type Progress,
  type ProgressListener,
  throwIfCancelled,
} from "./image/op-context.ts";
export {
  type CreateSecret,
  type KeyManager,
  KeyManagers,
  type SecretConsumer,
  type SecretFilter,
  type SecretInfo,
  secretName,
  type SecretRef,
} from "./key-manager/key-manager.ts";
export { givenToken, type TokenSource } from "./identity/token-source.ts";
export { type HostCopies, HostCopiesToken } from "./key-manager/host-copies.ts";
export { type Logger, silentLogger } from "./log/logger.ts";
export {
  definePlugin,
  type Plugin,
  PLUGIN_API,
  type PluginSettings,
  type SchemaIssue,
  type SchemaResult,
  type StandardSchema,
} from "./plugin/plugin.ts";
export {
  type BackendCapabilities,
  type BackendExtension,
  BackendExtensions,
  type FoundDisk,
  type ImageBackend,
  ImageBackends,
  type ImagePolicy,
  type ImageServices,
  ImageServicesToken,
  type KeyOptions,
  type StorageBases,
  type StorageSurvey,
  type OpenMapping,
  type StoredDisk,
} from "./image/image-backend.ts";
export type { OpenParts, StoredPart } from "./image/open-parts.ts";
export type { StoredPayload } from "./image/stored-payload.ts";
export type { MappingChange, MappingListener } from "./image/mapping-listener.ts";
export { type CreateImage, Image, type NewKey } from "./image/image.ts";
export type { Attempt, Erasure } from "./image/erasure.ts";
export type { HeaderFacts } from "./image/header-facts.ts";
export type { AllocateImage, Disposal } from "./image/image-hooks.ts";
export type { KeySlotMark } from "./image/key-change.ts";
export type { BaseChoice, OverlayHooks, StandingHooks } from "./image/overlay-hooks.ts";
export { copyContent } from "./image/disk-content-copy.ts";
export {
  type ContentDecryption,
  type ContentExtent,
  type DiskContent,
  type Extent,
  GUEST_FORMATS,
  type GuestFormat,
  type ImageSource,
} from "./image/disk-content.ts";
export type { HeaderStore } from "./image/header-store.ts";
export type {
  BackingSource,
  DiskEncryption,
  DiskIdentity,
  DiskSource,
  ImageDisk,
  RbdPlace,
} from "./image/image-disk.ts";
export { type BytesPlace, type OpenBytes } from "./image/open-bytes.ts";
export type { Json, Rollback, UndoRecord } from "./image/rollback.ts";
export { type OpenContent, openContent } from "./image/disk-content-source.ts";
export { makeFilesystem } from "./image/filesystem-template.ts";
export { type BaseImage, ImageCache } from "./images/cache/image-cache.ts";
export type { CacheEntry } from "./images/cache/prune-cache.ts";
export { sameIdentity } from "./image/same-identity.ts";
export type { SnapshotTarget } from "./image/snapshot-target.ts";
export type { UnlockedDisk } from "./image/unlock.ts";
export type { VerifyCheck, VerifyReport } from "./image/verify-report.ts";
export {
  type DiskFormat,
  type ImageEncryption,
  type ImageFile,
  type ImageMetadata,
  type ImageService,
  Images,
} from "./images/image-service.ts";
export type { Download, DownloadKept, ImageDownloads } from "./images/image-downloads.ts";
export {
  type DeclaredHash,
  declaredHash,
  type HashAlgorithm,
  hashFile,
  requireHash,
} from "./images/hash-file.ts";
export { type FoundImage, type ImageChecks, inspectedImage } from "./images/inspected-image.ts";
export { imageProperties } from "./request/image-properties.ts";
export { type UnlockedImage, unlockImage } from "./images/unlock-image.ts";
export {
  ENCRYPTION_TRAITS,
  encryptionTraits,
  type ReportedTraits,
  type Trait,
  type TraitChange,
  type TraitClaim,
  type TraitProvider,
  TraitProviders,
  type TraitReporter,
  TraitReporters,
} from "./traits/trait.ts";
export { PluginError } from "./errors/plugin-error.ts";
export { errnoOf, ioError, operationError } from "./errors/io-error.ts";
export { openExisting, openFileHeader } from "./file/file-header-store.ts";
export { directoryTrouble } from "./file/directory-trouble.ts";
export { ExclusiveLock } from "./file/exclusive-lock.ts";
export { SharedLock } from "./file/shared-lock.ts";
export { freeSpace } from "./file/free-space.ts";
export { fillRawSnapshot, writeSnapshotFile } from "./file/snapshot-file.ts";
export { BEARING_BYTES, type Bearing, bearingOf } from "./image/bearing.ts";
export { listInstanceFiles } from "./file/list-instance-files.ts";
export { FileImage } from "./file/file-image.ts";
export { fileIdentity, identityOf } from "./file/file-identity.ts";
export { lockHolders, openers } from "./file/lock-holders.ts";
export { type NewFile, newFile, removeEmptyDirectory, removeName, undoNewFile } from "./file/new-file.ts";
export { preallocate } from "./file/preallocate.ts";
export { toolSpaceError } from "./file/tool-space-error.ts";
export { syncDirectory } from "./file/sync-directory.ts";
export * from "./disk/index.ts";
