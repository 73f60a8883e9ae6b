import {
  adoptGuest,
  confirmMove,
  createInstance,
  deleteById,
  dismissGuest,
  evacuateGuest,
  expectGuest,
  findInstance,
  flattenDisk,
  parseMove,
  parseRequest,
  parseTarget,
  rebaseDisk,
  rebuildInstance,
  reconcile,
  rebootGuest,
  rescueGuest,
  rekeyDisks,
  rekeyVolumeKeys,
  resizeDisk,
  resumeGuests,
  settleGuest,
  sendGuest,
  shelveGuest,
  snapshotDisk,
  spawnGuest,
  startGuest,
  stopGuest,
  unrescueGuest,
  unshelveGuest,
  verifyDisks,
  type WritableHost,
} from "@luksmith/core/host";
import type { TestContext } from "../workspace.ts";
import type { Action } from "./scenario.ts";

/** Carries out one operation. */
export async function act(host: WritableHost, action: Action, on: TestContext): Promise<unknown> {
  switch (action.kind) {
    case "create":
      return (await createInstance(host, await parseRequest(action.request), on)).uuid;
    case "delete":
      return await deleteById(host, action.id, { forgetMissing: false }, on);
    case "resize": {
      const instance = await findInstance(host, action.id);
      return (await resizeDisk(host, instance, action.disk, BigInt(action.bytes), on)).uuid;
    }
    case "snapshot":
      return (await snapshotDisk(host, await findInstance(host, action.id), action.request, on)).uuid;
    case "flatten":
      return (await flattenDisk(host, await findInstance(host, action.id), action.disk, on)).uuid;
    case "rebase":
      return (await rebaseDisk(host, await findInstance(host, action.id), action.request, on)).uuid;
    case "rekey": {
      const rekeyed = await rekeyDisks(host, await findInstance(host, action.id), action.disk, on);
      return rekeyed.map(({ encryption }) => encryption?.secretId);
    }
    case "volume-key": {
      const options = { disk: undefined, abandon: false, pieceBytes: 1n << 20n };
      return (await rekeyVolumeKeys(host, action.id, options, on)).map(
        ({ encryption }) => encryption?.secretId,
      );
    }
    case "spawn": {
      const { template, start } = action;
      const request = await parseRequest(action.request);
      return (await spawnGuest(host, request, { template, start }, on)).guest;
    }
    case "start":
      return await startGuest(host, action.id, on);
    case "stop":
      return await stopGuest(host, action.id, action, on);
    case "hard-reboot":
      return await rebootGuest(host, action.id, { hard: true }, on);
    case "rescue": {
      const { image: id } = action;
      const options = { image: { id, declared: { id, disk_format: "raw" } }, timeoutMs: 0 };
      return (await rescueGuest(host, action.id, options, on)).rescued;
    }
    case "unrescue":
      return (await unrescueGuest(host, action.id, on)).rescued;
    case "rebuild":
      return (await rebuildInstance(host, await parseRequest(action.request), { timeoutMs: 0 }, on)).uuid;
    case "shelve":
      return (await shelveGuest(host, action.id, { directory: action.directory, timeoutMs: 0 }, on)).path;
    case "unshelve": {
      const options = { directory: action.directory, start: true };
      return (await unshelveGuest(host, await parseMove(action.document), options, on)).guest;
    }
    case "evacuate": {
      const recreate = action.recreate && (await parseRequest(action.recreate));
      const options = { start: true, ...(recreate ? { recreate } : {}) };
      return (await evacuateGuest(host, await parseMove(action.document), options, on)).guest;
    }
    case "adopt":
      return (await adoptGuest(host, await parseMove(action.document), { start: true }, on)).guest;
    case "confirm":
      return await confirmMove(host, action.id, {}, on);
    case "expect":
      return await expectGuest(host, await parseMove(action.document), on);
    case "send": {
      const target = await parseTarget(action.target);
      return await sendGuest(host, target.uuid, target, action.route, on);
    }
    case "settle":
      return await settleGuest(host, action.id, {}, on);
    case "dismiss":
      return await dismissGuest(host, action.id, {}, on);
    case "resume":
      return await resumeGuests(host, on);
    case "verify":
      return await verifyDisks(host, action.id, on);
    case "gc": {
      const { outcomes } = await reconcile(host, { graceSeconds: 0 }, on);
      return outcomes.map(({ discrepancy, outcome }) => `${discrepancy.kind} ${outcome}`);
    }
    case "open":
      return host.recovery;
  }
}
