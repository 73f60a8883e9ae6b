/**
 * Feeds damaged LUKS headers and qcow2 files to the parsers for a while: `node --conditions=luksmith-source
 * testing/src/fuzz/parsers.ts SECONDS [SEED]`. Anything but an answer or a typed error, a slow answer, or memory that
 * grows ends it with exit code 1. The inspector has its own, `packages/core/src/images/inspector/fuzz.ts`.
 */
import { randomBytes, randomUUID } from "node:crypto";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  activeAreaBytes,
  formatContainer,
  GeneratedPassphrase,
  lintHeader,
  parseHeader,
} from "@luksmith/luks";
import { createImage, planImage, Qcow2File } from "@luksmith/qcow2";

const BRAND = Symbol.for("luksmith.error");
const SLOW_MS = 2_000;
const MOST_GROWTH_MB = 200;
const HEAD = 256 * 1024;

const seconds = Number(process.argv[2] ?? "10");
let state = Number(process.argv[3] ?? randomBytes(4).readUInt32LE()) | 1;
console.log(`seed ${state}`);

/** xorshift32: repeatable from the seed. */
function random(below: number): number {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % below;
}

const INTERESTING = [0, 1, 0x7f, 0x80, 0xff];

/** A copy with a few bytes changed, most of them where the fields are. */
function damaged(bytes: Uint8Array, fields: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  for (let changes = 1 + random(8); changes > 0; changes--) {
    const at = random(random(4) === 0 ? copy.length : Math.min(fields, copy.length));
    copy[at] = random(2) === 0 ? random(256) : (INTERESTING[random(INTERESTING.length)] ?? 0);
  }
  return random(20) === 0 ? copy.subarray(0, random(copy.length)) : copy;
}

function luks(bytes: Uint8Array): void {
  const header = parseHeader(bytes);
  activeAreaBytes(header);
  lintHeader(header, BigInt(bytes.length));
}

async function qcow2(bytes: Uint8Array): Promise<void> {
  await file.truncate(0);
  await file.write(bytes, 0, bytes.length, 0);
  await file.truncate(length);
  const image = await Qcow2File.open(file);
  let runs = 0;
  for await (const _run of image.runs()) if (++runs > 10_000) break;
}

const passphrase = GeneratedPassphrase.create();
const container = formatContainer({ uuid: randomUUID(), passphrase, payloadOffset: 4040 });
const headerBytes = container.writes.find(({ offset }) => offset === 0)?.bytes ?? new Uint8Array();
const folder = await mkdtemp(join(tmpdir(), "luksmith-fuzz-"));
const file = await open(join(folder, "image"), "wx+");
const plan = planImage({ virtualSize: 1n << 30n, backing: { file: "/base", format: "raw" }, luks: {} });
await createImage(file, plan, container);
const length = Number(plan.fileLength);
const imageHead = new Uint8Array(HEAD);
await file.read(imageHead, 0, HEAD, 0);

let executions = 0;
let slowest = 0;
let accepted = 0;
const before = process.memoryUsage().rss;
const end = performance.now() + seconds * 1000;
try {
  while (performance.now() < end) {
    const started = performance.now();
    try {
      if (random(2) === 0) luks(damaged(headerBytes, 592));
      else await qcow2(damaged(imageHead, random(2) === 0 ? 512 : HEAD));
      accepted++;
    } catch (error) {
      if (!(typeof error === "object" && error !== null && BRAND in error)) throw error;
    }
    slowest = Math.max(slowest, performance.now() - started);
    executions++;
  }
} finally {
  await file.close();
  await rm(folder, { recursive: true });
}
const growth = Math.round((process.memoryUsage().rss - before) / 1e6);
console.log(
  `${executions} executions, ${accepted} accepted, slowest ${slowest.toFixed(0)} ms, RSS grew ${growth} MB`,
);
if (slowest > SLOW_MS || growth > MOST_GROWTH_MB) process.exitCode = 1;
