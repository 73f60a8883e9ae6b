import { rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { luksFormat } from "../peers/cryptsetup.ts";
import { writeAndSync } from "../peers/write-floor.ts";
import { WarmCreator } from "./warm-creator.ts";

/** What this program prints, as one JSON document; times in ms. */
export interface LongRun {
  readonly creates: readonly number[];
  readonly deletes: readonly number[];
  /** Create and delete together. */
  readonly totals: readonly number[];
  /** Megabytes held after garbage collection, at each count of `rssAt`. */
  readonly rss: readonly number[];
  readonly rssAt: readonly number[];
  /** The peers, measured once before every so many creates. */
  readonly peerEvery: number;
  readonly cryptsetup: readonly number[];
  readonly floor: readonly number[];
}

const DISK_BYTES = 1024 ** 3;
const PEERS = 25;

const [directory = "", text = ""] = process.argv.slice(2);
const count = Number(text);
const secret = Buffer.from("0123456789abcdef".repeat(5));
const peerEvery = Math.ceil(count / PEERS);
const rssAt = [count / 10, count / 2, count];
const run = { creates: [], deletes: [], totals: [], rss: [], cryptsetup: [], floor: [] } as Record<
  "creates" | "deletes" | "totals" | "rss" | "cryptsetup" | "floor",
  number[]
>;

await using creator = await WarmCreator.start(join(directory, "host"), DISK_BYTES);
for (let i = 0; i < count; i++) {
  if (i % peerEvery === 0) await measurePeers(i);
  const { createMs, deleteMs } = await creator.createAndDelete();
  run.creates.push(createMs);
  run.deletes.push(deleteMs);
  run.totals.push(createMs + deleteMs);
  if (rssAt.includes(i + 1)) run.rss.push(heldMegabytes());
}
const result: LongRun = { ...run, rssAt, peerEvery };
process.stdout.write(JSON.stringify(result));

async function measurePeers(i: number): Promise<void> {
  const path = join(directory, `peer-${i}.img`);
  const { wallMs } = await luksFormat(path, DISK_BYTES, secret, ["--pbkdf-force-iterations", "1000"]);
  run.cryptsetup.push(wallMs + timed(() => rmSync(path)));
  const floor = join(directory, `floor-${i}`, "disk");
  const wrote = await writeAndSync(floor, DISK_BYTES);
  run.floor.push(wrote + timed(() => rmSync(dirname(floor), { recursive: true })));
}

function timed(work: () => void): number {
  const start = performance.now();
  work();
  return performance.now() - start;
}

function heldMegabytes(): number {
  globalThis.gc?.();
  return process.memoryUsage.rss() / 1e6;
}
