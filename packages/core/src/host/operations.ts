/*
 * What the agent calls. Each is loaded when it is called, because a command that only lists must not wait for schemas,
 * ciphers and plugins to load.
 */
import type { WritableHost } from "./host.ts";
import type { GuardOptions } from "./plugins/guarded-import.ts";
import type { ImportModule } from "./plugins/load-plugins.ts";
import type { ModuleSource } from "./plugins/module-source.ts";

/** Imports plugins as the configuration allows. */
export function guardedImport(modules: ModuleSource, options: GuardOptions): ImportModule {
  let guarded: Promise<ImportModule> | undefined;
  return async (specifier) => {
    guarded ??= import("./plugins/guarded-import.ts").then(
      ({ GuardedImport }) => new GuardedImport(modules, options).import,
    );
    return await (
      await guarded
    )(specifier);
  };
}

function lazily<P extends readonly unknown[], R>(
  load: () => Promise<(...parameters: P) => R | Promise<R>>,
): (...parameters: P) => Promise<R> {
  return async (...parameters) => (await load())(...parameters);
}

export const parseRequest = lazily(async () => (await import("../request/parse-request.ts")).parseRequest);
export const previewCreate = lazily(
  async () => (await import("./operations/preview-create.ts")).previewCreate,
);
export const createInstance = lazily(
  async () => (await import("./operations/create-instance.ts")).createInstance,
);
export const spawnGuest = lazily(async () => (await import("./guests/spawn-guest.ts")).spawnGuest);
export const startGuest = lazily(async () => (await import("./guests/start-guest.ts")).startGuest);
export const stopGuest = lazily(async () => (await import("./guests/stop-guest.ts")).stopGuest);
export const rebootGuest = lazily(async () => (await import("./guests/reboot-guest.ts")).rebootGuest);
export const resumeGuests = lazily(async () => (await import("./guests/resume-guests.ts")).resumeGuests);
/** Looks after guests for as long as a process lives. */
export const guestKeeper = lazily(async () => {
  const { GuestKeeper } = await import("./guests/guest-keeper.ts");
  return (host: WritableHost) => new GuestKeeper(host);
});
export const offerGuest = lazily(async () => (await import("./guests/offer-guest.ts")).offerGuest);
export const parseMove = lazily(async () => (await import("./guests/move-document.ts")).parseMove);
export const adoptGuest = lazily(async () => (await import("./guests/adopt-guest.ts")).adoptGuest);
export const describeGuest = lazily(async () => (await import("./guests/describe-guest.ts")).describeGuest);
export const findGuest = lazily(async () => (await import("./guests/find-guest.ts")).findGuest);
export const letGoOfEvacuated = lazily(async () => (await import("./guests/let-go.ts")).letGoOfEvacuated);
export const evacuateGuest = lazily(async () => (await import("./guests/evacuate-guest.ts")).evacuateGuest);
export const rebuildInstance = lazily(
  async () => (await import("./guests/rebuild-instance.ts")).rebuildInstance,
);
export const shelveGuest = lazily(async () => (await import("./guests/shelve-guest.ts")).shelveGuest);
export const unshelveGuest = lazily(async () => (await import("./guests/unshelve-guest.ts")).unshelveGuest);
export const confirmMove = lazily(async () => (await import("./guests/end-move.ts")).confirmMove);
export const revertMove = lazily(async () => (await import("./guests/end-move.ts")).revertMove);
export const offerLive = lazily(async () => (await import("./guests/offer-guest.ts")).offerLive);
export const expectGuest = lazily(async () => (await import("./guests/expect-guest.ts")).expectGuest);
export const parseTarget = lazily(async () => (await import("./guests/move-target.ts")).parseTarget);
export const sendGuest = lazily(async () => (await import("./guests/send-guest.ts")).sendGuest);
export const settleGuest = lazily(async () => (await import("./guests/settle-guest.ts")).settleGuest);
export const dismissGuest = lazily(async () => (await import("./guests/settle-guest.ts")).dismissGuest);
export const parseReceipt = lazily(async () => (await import("./guests/move-receipt.ts")).parseReceipt);
export const rescueGuest = lazily(async () => (await import("./guests/rescue-guest.ts")).rescueGuest);
export const unrescueGuest = lazily(async () => (await import("./guests/unrescue-guest.ts")).unrescueGuest);
export const findInstance = lazily(async () => (await import("./operations/verify-disks.ts")).findInstance);
export const verifyDisks = lazily(async () => (await import("./operations/verify-disks.ts")).verifyDisks);
export const resizeDisk = lazily(async () => (await import("./operations/resize-disk.ts")).resizeDisk);
export const flattenDisk = lazily(async () => (await import("./operations/flatten-disk.ts")).flattenDisk);
export const rebaseDisk = lazily(async () => (await import("./operations/rebase-disk.ts")).rebaseDisk);
export const rekeyDisks = lazily(async () => (await import("./operations/rekey-disks.ts")).rekeyDisks);
export const rekeyMany = lazily(async () => (await import("./operations/rekey-many.ts")).rekeyMany);
export const rekeyVolumeKeys = lazily(
  async () => (await import("./operations/rekey-volume-key.ts")).rekeyVolumeKeys,
);
export const snapshotDisk = lazily(async () => (await import("./operations/snapshot-disk.ts")).snapshotDisk);
export const deleteById = lazily(async () => (await import("./operations/delete-by-id.ts")).deleteById);
export const attestDisks = lazily(async () => (await import("./attest/attest-disks.ts")).attestDisks);
export const verifyAttestation = lazily(
  async () => (await import("./attest/verify-attestation.ts")).verifyAttestation,
);
export const writeStatement = lazily(
  async () => (await import("./attest/write-statement.ts")).writeStatement,
);
export const listReceipts = lazily(async () => (await import("./receipts/read-receipts.ts")).listReceipts);
export const findReceipt = lazily(async () => (await import("./receipts/read-receipts.ts")).findReceipt);
export const verifyReceipt = lazily(async () => (await import("./receipts/read-receipts.ts")).verifyReceipt);
export const exportReceipts = lazily(
  async () => (await import("./receipts/export-receipts.ts")).exportReceipts,
);
export const signingKey = lazily(
  async () => (await import("./receipts/public-signing-key.ts")).publicSigningKey,
);
export const exportBundle = lazily(async () => (await import("./recovery/export-bundle.ts")).exportBundle);
export const inspectBundle = lazily(async () => (await import("./recovery/inspect-bundle.ts")).inspectBundle);
export const revealSecret = lazily(async () => (await import("./operations/reveal-secret.ts")).revealSecret);
/** Who runs this process, for the audit trail. */
export const invoker = lazily(async () => (await import("./operations/reveal-secret.ts")).invoker);
export const inspectContainer = lazily(
  async () => (await import("./operations/inspect-container.ts")).inspectContainer,
);
export const verifyAuditLog = lazily(async () => (await import("./operations/audit.ts")).verifyAuditLog);
export const exportAudit = lazily(async () => (await import("./operations/audit.ts")).exportAudit);
/** Looks at plugins in a thread of their own. */
export const probeInThread = lazily(async () => (await import("./plugins/probe-in-thread.ts")).probeInThread);
/** What that thread does. */
export const answerProbe = lazily(async () => (await import("./plugins/answer-probe.ts")).answerProbe);

export const cacheList = lazily(async () => (await import("./operations/cache-list.ts")).cacheList);
export const cachePrune = lazily(async () => (await import("./operations/cache-prune.ts")).cachePrune);
export const listLegacy = lazily(async () => (await import("./legacy/list-legacy.ts")).listLegacy);
export const adoptLegacy = lazily(async () => (await import("./legacy/adopt-legacy.ts")).adoptLegacy);
export const openLegacy = lazily(async () => (await import("./legacy/open-legacy.ts")).openLegacy);
export const migrateLegacy = lazily(async () => (await import("./legacy/migrate-legacy.ts")).migrateLegacy);
export const abandonMigration = lazily(
  async () => (await import("./legacy/migrate-legacy.ts")).abandonMigration,
);
export const previewMigration = lazily(
  async () => (await import("./legacy/migrate-legacy.ts")).previewMigration,
);
export const showTraits = lazily(async () => (await import("./operations/traits.ts")).showTraits);
export const reportTraits = lazily(async () => (await import("./operations/traits.ts")).reportTraits);
export const keepTraits = lazily(async () => (await import("./operations/traits.ts")).keepTraits);

export const findDiscrepancies = lazily(async () => (await import("./gc/reconcile.ts")).findDiscrepancies);
export const reconcile = lazily(async () => (await import("./gc/reconcile.ts")).reconcile);
export const diagnose = lazily(async () => (await import("./doctor/diagnose.ts")).diagnose);

/** The schema of REQUEST.json, for the daemon's description of itself. */
export const requestSchema = lazily(async () => {
  const { RequestSchema } = await import("../request/request-schema.ts");
  return () => RequestSchema;
});
/** The queue of the daemon's tasks. */
export const tasks = lazily(async () => {
  const module = await import("./tasks/index.ts");
  return () => module;
});
