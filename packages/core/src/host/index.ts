export { type ConfigEntry, type HostConfig, loadConfig, type LoadConfigOptions } from "../config/index.ts";
export type { Origin } from "../audit/audit-event.ts";
export type { AuditFinding, AuditPoint, AuditVerdict } from "../audit/verify-audit.ts";
export { CATEGORIES, ERROR_CODES, type ErrorCategory, type ErrorCode } from "../errors/codes.ts";
export { errorFromJson } from "../errors/error-from-json.ts";
export { errnoOf, ioError } from "../errors/io-error.ts";
export {
  type AnyLuksmithError,
  errorToJson,
  exitCodeOf,
  isLuksmithError,
  LuksmithError,
} from "../errors/luksmith-error.ts";
export type { CommandRunner } from "../command/command-runner.ts";
export type { OpContext, Progress, ProgressListener } from "../image/op-context.ts";
export type { VerifyCheck, VerifyReport } from "../image/verify-report.ts";
export type { InstanceRecord, SnapshotRecord } from "../journal/inventory.ts";
export type { JournalListener, RequestedOperation } from "../journal/journal.ts";
export type { KeyManagerEvent, KeyManagerListener } from "../key-manager/observed-keys.ts";
export { givenToken, type TokenSource } from "../identity/token-source.ts";
export type { Logger } from "../log/logger.ts";
export type { InstanceRequest } from "../request/instance-request.ts";
export { type DiskView, type PlacedDisk, placedDisks, type SnapshotView, snapshotView } from "./disk-view.ts";
export { type OpenHostOptions, ReadableHost, WritableHost } from "./host.ts";
export { hostCommands } from "./host-commands.ts";
export { coreVersion } from "../plugin/core-version.ts";
export { PLUGIN_API } from "../plugin/plugin.ts";
export type { HostServices } from "./host-services.ts";
export type { ImportModule } from "./plugins/load-plugins.ts";
export type { ModuleSource } from "./plugins/module-source.ts";
export {
  requestSchema,
  tasks,
  abandonMigration,
  adoptLegacy,
  listLegacy,
  migrateLegacy,
  openLegacy,
  previewMigration,
  cacheList,
  cachePrune,
  adoptGuest,
  exportAudit,
  verifyAuditLog,
  confirmMove,
  guestKeeper,
  offerGuest,
  offerLive,
  expectGuest,
  sendGuest,
  settleGuest,
  dismissGuest,
  parseMove,
  parseReceipt,
  parseTarget,
  rebootGuest,
  resumeGuests,
  revertMove,
  describeGuest,
  evacuateGuest,
  findGuest,
  letGoOfEvacuated,
  rebuildInstance,
  shelveGuest,
  unshelveGuest,
  rescueGuest,
  unrescueGuest,
  spawnGuest,
  startGuest,
  stopGuest,
  createInstance,
  deleteById,
  diagnose,
  exportBundle,
  attestDisks,
  exportReceipts,
  findDiscrepancies,
  reconcile,
  findInstance,
  findReceipt,
  flattenDisk,
  inspectBundle,
  inspectContainer,
  invoker,
  keepTraits,
  answerProbe,
  guardedImport,
  probeInThread,
  listReceipts,
  parseRequest,
  previewCreate,
  reportTraits,
  rebaseDisk,
  rekeyDisks,
  rekeyMany,
  rekeyVolumeKeys,
  resizeDisk,
  revealSecret,
  showTraits,
  signingKey,
  snapshotDisk,
  verifyDisks,
  verifyAttestation,
  verifyReceipt,
  writeStatement,
} from "./operations.ts";
export type { Attestation } from "./attest/attestation.ts";
export type { AttestRequest } from "./attest/attest-disks.ts";
export type { AttestationPolicy, VerifiedAttestation } from "./attest/verify-attestation.ts";
export type { EraseReceipt } from "./receipts/erase-receipt.ts";
export type { ExportedReceipt } from "./receipts/export-receipts.ts";
export type { ExportBundle, ExportedBundle } from "./recovery/export-bundle.ts";
export type { InspectedBundle } from "./recovery/inspect-bundle.ts";
export type { StoredReceipt, VerifiedReceipt } from "./receipts/read-receipts.ts";
export { type Tombstone, tombstones } from "./tombstones.ts";
export type { CacheEntry, Pruned } from "../images/cache/prune-cache.ts";
export type { Download, PrunedDownload } from "../images/image-downloads.ts";
export type { GuestRecord, WantedPower } from "../journal/guests.ts";
export type { Severity } from "../health/health-check.ts";
export type { CheckedFinding, HealthReport } from "../health/run-checks.ts";
export { type Discrepancy, DISCREPANCY_KINDS, type DiscrepancyKind } from "./gc/discrepancy.ts";
export type { GcApplied, GcOptions, GcOutcome, GcReport } from "./gc/reconcile.ts";
export type { DiagnosedHost, DiagnoseOptions } from "./doctor/diagnose.ts";
export type { AdoptOptions } from "./guests/adopt-guest.ts";
export type { EvacuateOptions } from "./guests/evacuate-guest.ts";
export type { LetGoOptions } from "./guests/let-go.ts";
export type { RebuildOptions } from "./guests/rebuild-instance.ts";
export type { ShelveOptions, Shelved } from "./guests/shelve-guest.ts";
export type { UnshelveOptions } from "./guests/unshelve-guest.ts";
export type { GuestKeeper } from "./guests/guest-keeper.ts";
export type { MoveDocument } from "./guests/move-document.ts";
export type { MoveReceipt, OtherHost } from "./guests/move-receipt.ts";
export type { MoveTarget } from "./guests/move-target.ts";
export type { MigrationRoute } from "../guest/live-migration.ts";
export type { RebootOptions } from "./guests/reboot-guest.ts";
export type { RescueOptions } from "./guests/rescue-guest.ts";
export type { ResumedGuest } from "./guests/resume-guests.ts";
export type { Spawned, SpawnOptions } from "./guests/spawn-guest.ts";
export type { StopOptions } from "./guests/stop-guest.ts";
export type { AdoptLegacy } from "./legacy/adopt-legacy.ts";
export type { LegacyDisk, LegacyInstance } from "./legacy/list-legacy.ts";
export type { MigratedDisk, MigrateOptions } from "./legacy/migrate-legacy.ts";
export type { OpenedDisk } from "./legacy/open-legacy.ts";
export type { AuditExport, AuditSelection, AuditVerifyOptions } from "./operations/audit.ts";
export type { CacheListing } from "./operations/cache-list.ts";
export type { PruneOptions, PruneReport } from "./operations/cache-prune.ts";
export type { DeleteOptions } from "./operations/delete-instance.ts";
export type { ContainerReport } from "./operations/inspect-container.ts";
export type { PluginDetail, PluginReport, Provided } from "./plugins/plugin-report.ts";
export type { CreatePreview, PreviewDisk, PreviewStep } from "./operations/preview-create.ts";
export type { RekeyMany, Rotated } from "./operations/rekey-many.ts";
export type { VolumeKeyOptions } from "./operations/rekey-volume-key.ts";
export type { RevealRequest } from "./operations/reveal-secret.ts";
export type { RebaseRequest } from "./operations/rebase-disk.ts";
export type { RecoveredOperation, RecoveryReport } from "./operations/recover.ts";
export type { SnapshotRequest } from "./operations/snapshot-disk.ts";
export type { ReporterView, SyncOptions, SyncReport, TraitsReport } from "./operations/traits.ts";
export type { InstanceReport } from "./operations/verify-disks.ts";
export type {
  KeptAnswer,
  KeyedTask,
  Submitted,
  Task,
  TaskOutcome,
  TaskQueue,
  TaskScope,
  TaskState,
} from "./tasks/index.ts";
export type { AbsentTraits, HostTraits } from "../traits/host-traits.ts";
export type { ReportOutcome } from "../traits/sync-traits.ts";
export type { TraitRound } from "../traits/trait-reconciler.ts";
