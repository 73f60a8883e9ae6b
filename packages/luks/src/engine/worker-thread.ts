import { setImmediate as otherJobs } from "node:timers/promises";
import { parentPort } from "node:worker_threads";
import { buildContainer } from "../format-container.ts";
import type { HeaderWrite } from "../header-write.ts";
import { sealKeySlot } from "../key-slots.ts";
import { prepareStripesWhenIdle } from "../keys/prepared-stripes.ts";
import { Passphrase } from "../passphrase.ts";
import { unlock } from "../unlock.ts";
import { areaOf, RetainedAreas } from "./retained-areas.ts";
import { runCompare } from "./compare.ts";
import { runCopy } from "./copy-loop.ts";
import { runFindData } from "./find-data.ts";
import {
  type AddKeySlotJob,
  type FormatJob,
  isBulk,
  type Job,
  type JobMessage,
  type PrepareJob,
  type ReplyMessage,
  type Result,
  type Results,
  secretsOf,
  unwireKey,
  wireKey,
} from "./wire.ts";
import { toWireError } from "./wire-error.ts";

/** Milliseconds between two progress messages of a copy. */
const PROGRESS_EVERY = 100;

/** What `PreparedContainers` replaces. */
const NOBODYS = { uuid: "00000000-0000-0000-0000-000000000000", payloadOffset: 4096 };

const retained = new RetainedAreas();

const port = parentPort;
if (port === null) throw new Error("this file is the entry of a worker thread");

port.on("message", ({ id, job }: JobMessage) => {
  void answer(id, job);
});

async function answer(id: number, job: Job): Promise<void> {
  try {
    const { result, transfers = [] } = await perform(id, job);
    reply({ id, result }, transfers);
  } catch (error) {
    reply({ id, error: toWireError(error) });
  } finally {
    for (const secret of secretsOf(job)) secret.fill(0);
    if (!isBulk(job)) prepareStripesWhenIdle();
  }
}

function reply(message: ReplyMessage, transfer: ArrayBuffer[] = []): void {
  port?.postMessage(message, transfer);
}

async function perform(id: number, job: Job): Promise<{ result: Result; transfers?: ArrayBuffer[] }> {
  if (job.kind === "copy") return { result: await runCopy(job, progressOf(id)) };
  if (job.kind === "compare") return { result: await runCompare(job, progressOf(id)) };
  if (job.kind === "find-data") {
    const result = await runFindData(job);
    return { result, transfers: [result.found.buffer] };
  }
  if (job.kind === "add-key-slot") {
    const result = addKeySlot(job);
    return { result, transfers: ownBuffers(result) };
  }
  if (job.kind === "unlock" || job.kind === "unlock-formatted") {
    const area = job.kind === "unlock" ? job.area : retained.take(job.uuid);
    if (area === undefined) return { result: "not-kept" };
    const result = open(job, area);
    return { result, transfers: [result.volumeKey.bytes.buffer] };
  }
  const result = job.kind === "format" ? format(job) : await prepare(job);
  return { result, transfers: [result.volumeKey.bytes.buffer, ...ownBuffers(result.writes)] };
}

function progressOf(id: number): (bytes: number) => void {
  let last = performance.now();
  return (progress) => {
    if (performance.now() - last < PROGRESS_EVERY) return;
    last = performance.now();
    reply({ id, progress });
  };
}

function format(job: FormatJob): Results["format"] {
  using passphrase = Passphrase.take(job.passphrase);
  const { header, writes, volumeKey } = buildContainer(job, passphrase);
  using key = volumeKey;
  if (job.retain) retained.keep(job.uuid, writes);
  return { header, writes, volumeKey: wireKey(key) };
}

/** In two steps, so that a job that arrives meanwhile does not wait long. */
async function prepare(job: PrepareJob): Promise<Results["prepare"]> {
  using passphrase = Passphrase.take(job.passphrase);
  const { header, writes, volumeKey } = buildContainer(
    { ...NOBODYS, iterations: job.iterations },
    passphrase,
  );
  using key = volumeKey;
  await otherJobs();
  using opened = unlock(areaOf(writes), passphrase).volumeKey;
  if (!opened.equals(key)) throw new Error("a prepared container opens to another key");
  return { header, writes, volumeKey: wireKey(key) };
}

function open(
  job: { passphrase: Uint8Array<ArrayBuffer>; keySlot?: number },
  area: Uint8Array,
): Results["unlock"] {
  using passphrase = Passphrase.take(job.passphrase);
  const { keySlot, volumeKey } = unlock(
    area,
    passphrase,
    job.keySlot === undefined ? {} : { keySlot: job.keySlot },
  );
  using key = volumeKey;
  return { keySlot, volumeKey: wireKey(key) };
}

function addKeySlot(job: AddKeySlotJob): Results["add-key-slot"] {
  using passphrase = Passphrase.take(job.passphrase);
  using key = unwireKey(job.volumeKey);
  return sealKeySlot(job.area, key, passphrase, job);
}

/** The buffers of writes that share theirs with nothing else; the others are copied. */
function ownBuffers(writes: readonly HeaderWrite[]): ArrayBuffer[] {
  return writes.flatMap(({ bytes: { buffer, byteLength } }) =>
    buffer instanceof ArrayBuffer && buffer.byteLength === byteLength ? [buffer] : [],
  );
}
