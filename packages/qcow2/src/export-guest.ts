import type { CopyEnd, CopyExtent, LuksEngine, VolumeKey } from "@luksmith/luks";
import type { GuestRun } from "./guest-runs.ts";
import type { Qcow2File } from "./qcow2-file.ts";
import { Qcow2Error } from "./qcow2-error.ts";

/** Runs per call of the engine: bounds memory without costing speed. */
const RUNS_AT_ONCE = 4096;

export interface ExportRequest {
  engine: Pick<LuksEngine, "copy">;
  /** Of the image, if it is encrypted. Must not be disposed before the export has settled. */
  volumeKey?: VolumeKey;
  /** Where byte 0 of the guest disk goes. */
  to: CopyEnd;
  /**
   * What to do with the parts that read as zero: `skip` for a plain target that reads as zero already, else `write`. An
   * encrypted target is always written.
   */
  zeros: "skip" | "write";
  /** Copies parts that are in the backing file; without it such an image is refused. */
  backing?(run: { start: bigint; length: bigint }): Promise<void>;
  signal?: AbortSignal;
  /** Bytes of the guest disk done so far and in all. */
  onProgress?(done: bigint, total: bigint): void;
}

/**
 * Copies what the guest sees to a raw file or device, decrypted, and encrypted again if the target has a key.
 *
 * @throws Qcow2Error `Qcow2Unsupported` for compressed clusters, or a backing file without `backing`
 * @throws what the engine's `copy` throws
 */
export async function exportGuest(image: Qcow2File, request: ExportRequest): Promise<void> {
  if ((request.volumeKey === undefined) !== (image.header.encryption === "none")) {
    throw new Qcow2Error(
      "Qcow2RequestInvalid",
      "volume-key",
      "an encrypted image is read with its volume key",
    );
  }
  let runs: GuestRun[] = [];
  const flush = async (): Promise<void> => {
    await copyRuns(image, runs, request);
    const last = runs.at(-1);
    if (last !== undefined) request.onProgress?.(last.start + last.length, image.virtualSize);
    runs = [];
  };
  for await (const run of image.runs()) {
    request.signal?.throwIfAborted();
    if (runs.push(run) >= RUNS_AT_ONCE) await flush();
  }
  await flush();
}

async function copyRuns(image: Qcow2File, runs: readonly GuestRun[], request: ExportRequest): Promise<void> {
  const { engine, volumeKey, to, signal } = request;
  const data: CopyExtent[] = [];
  const zeros: CopyExtent[] = [];
  for (const run of runs) {
    const { start, length } = run;
    if (run.kind === "data") {
      data.push({ start, length, source: run.hostOffset });
    } else if (run.kind === "compressed") {
      throw new Qcow2Error("Qcow2Unsupported", "compressed", "compressed clusters are not read here");
    } else if (run.kind === "unallocated" && image.backing !== undefined) {
      if (request.backing === undefined) {
        throw new Qcow2Error("Qcow2Unsupported", "backing", "part of this disk is in its backing file");
      }
      await request.backing({ start, length });
    } else if (request.zeros === "write" || to.volumeKey !== undefined) {
      zeros.push({ start, length });
    }
  }
  const common = { to, length: image.virtualSize, ...(signal === undefined ? {} : { signal }) };
  if (data.length > 0) {
    const from = { fd: image.handle.fd, offset: 0n, ...(volumeKey === undefined ? {} : { volumeKey }) };
    const sparse = request.zeros === "skip" && to.volumeKey === undefined;
    await engine.copy({ ...common, from, extents: data, sparse });
  }
  if (zeros.length > 0) await engine.copy({ ...common, from: "zero", extents: zeros });
}
