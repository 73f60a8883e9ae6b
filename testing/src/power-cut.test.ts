import { randomUUID } from "node:crypto";
import { copyFileSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import {
  addKeySlot,
  formatContainer,
  GeneratedPassphrase,
  type HeaderStore,
  type HeaderWrite,
  type Image,
  type ImageDisk,
  type ImageServices,
  isLuksmithError,
  LuksEngine,
  parseHeader,
  type Passphrase,
} from "@luksmith/core";
import { Qcow2File } from "@luksmith/qcow2";
import { InMemoryKeyManager, RecordingRollback } from "@luksmith/testkit";
import { afterAll, describe, expect, test } from "vitest";
import { type ImagesType } from "./cache-host.ts";
import { MemoryImage, MemoryStore } from "./memory-image.ts";
import { cryptsetupOpens } from "./oracles/cryptsetup.ts";
import { qemuOpens } from "./oracles/qemu.ts";
import { type Barrier, RecordingStore, type TornState, tornStates } from "./power-cut.ts";
import { addDisk, diskHost } from "./sweep-disk.ts";
import { tempDirectory } from "./temp-directory.ts";
import { passphraseOf } from "./temp-host.ts";
import { testContext } from "./workspace.ts";

const MIB = 1024 * 1024;
/** `LUKSMITH_POWER_CUT=1`: a cut at each sector; else at some. */
const STRIDE = Number(process.env["LUKSMITH_POWER_CUT"] ?? 200);
const ctx = testContext();
const luks = new LuksEngine({ threads: 1 });
afterAll(() => luks[Symbol.asyncDispose]());

interface Geometry {
  /** Sectors: 4096 on files and LVM, 8192 on RBD. */
  readonly payload: number;
  /** That the disk's passphrase opens. */
  readonly current: number;
  /** Others that are in use: passphrases of the operator's. */
  readonly others: readonly number[];
}

/** A container in memory, with what its host knows of it. */
class Bench {
  readonly keys = new InMemoryKeyManager();
  readonly area: Buffer;
  readonly current = GeneratedPassphrase.create();
  readonly next = GeneratedPassphrase.create();
  readonly #payload: number;
  readonly #uuid = randomUUID();

  constructor({ payload, current, others }: Geometry) {
    this.#payload = payload;
    this.area = Buffer.alloc(payload * 512);
    using volumeKey = this.#format(current);
    for (const slot of others) {
      // Made with the container.
      if (slot === 0) continue;
      using passphrase = GeneratedPassphrase.create();
      this.#put(addKeySlot(this.area, volumeKey, { passphrase, iterations: 1000, keySlot: slot }));
    }
  }

  #format(current: number) {
    using first = GeneratedPassphrase.create();
    const passphrase = current === 0 ? this.current : first;
    const request = { passphrase, iterations: 1000, uuid: this.#uuid, payloadOffset: this.#payload };
    const { writes, volumeKey } = formatContainer(request);
    this.#put(writes);
    if (current !== 0) {
      const slot = { passphrase: this.current, iterations: 1000, keySlot: current };
      this.#put(addKeySlot(this.area, volumeKey, slot));
    }
    return volumeKey;
  }

  #put(writes: readonly HeaderWrite[]): void {
    for (const { offset, bytes } of writes) this.area.set(bytes, offset);
  }

  async secret(passphrase: GeneratedPassphrase): Promise<string> {
    return (await this.keys.create({ name: randomUUID(), passphrase }, ctx)).id;
  }

  image(store: HeaderStore, secretId: string): MemoryImage {
    const disk: ImageDisk = {
      instanceUuid: randomUUID(),
      name: "disk",
      uuid: this.#uuid,
      virtualSize: BigInt(MIB),
      encryption: { format: "luks", secretId },
    };
    const policy = { pbkdfIterations: 1000, verify: "unlock" };
    const services = { keys: this.keys, luks, policy } as unknown as ImageServices;
    return new MemoryImage(() => store, this.#payload, disk, services);
  }
}

async function opens(area: Uint8Array, passphrase: Passphrase): Promise<boolean> {
  try {
    (await luks.unlock(area, passphrase)).volumeKey[Symbol.dispose]();
    return true;
  } catch (error) {
    if (isLuksmithError(error) && error.code.startsWith("Luks")) return false;
    throw error;
  }
}

function activeCount(area: Uint8Array): number {
  return parseHeader(area).keySlots.filter(({ active }) => active).length;
}

const GEOMETRIES: readonly (Geometry & { what: string })[] = [
  { what: "one key, as on files and LVM", payload: 4096, current: 0, others: [] },
  {
    what: "the new key in slot 6, whose record is in two sectors",
    payload: 4096,
    current: 0,
    others: [1, 2, 3, 4, 5],
  },
  { what: "the old key in slot 6", payload: 4096, current: 6, others: [0] },
  { what: "one key, as on RBD", payload: 8192, current: 0, others: [] },
  { what: "the new key in slot 7, on RBD", payload: 8192, current: 0, others: [1, 2, 3, 4, 5, 6] },
];

describe("a power cut at any sector", { timeout: 600_000 }, () => {
  test.each(GEOMETRIES)(
    "of a rekey leaves a key that opens, and recovery exactly the right one: $what",
    async (geometry) => {
      const bench = new Bench(geometry);
      const before = Buffer.from(bench.area);
      const [old, next] = [await bench.secret(bench.current), await bench.secret(bench.next)];
      const count = activeCount(before);
      const store = new RecordingStore(new MemoryStore(bench.area));
      const undo = new RecordingRollback();
      const mark = await bench.image(store, old).rekey({ passphrase: bench.next, secretId: next }, undo, ctx);
      expect(mark.keySlot).toBe(geometry.current);
      // From here on the inventory has the new secret.
      const turn = store.barriers.length;
      await bench.image(store, next).dropKey(mark, ctx);
      // Key material, header; key material, header: nothing shares a barrier with what it replaces.
      expect(store.barriers.map((writes) => writes.length)).toEqual([1, 1, 1, 1]);
      let states = 0;
      for (const { barrier, label, area } of tornStates(before, store.barriers, STRIDE)) {
        states++;
        const inForce = barrier >= turn;
        expect(await opens(area, inForce ? bench.next : bench.current), `${label}, as it is`).toBe(true);
        const torn = bench.image(new MemoryStore(area), inForce ? next : old);
        if (inForce) await torn.dropKey(mark, ctx);
        else await undo.undo(torn);
        expect(await opens(area, inForce ? bench.next : bench.current), `${label}, recovered`).toBe(true);
        expect(await opens(area, inForce ? bench.current : bench.next), `${label}, recovered`).toBe(false);
        expect(activeCount(area), `${label}, recovered`).toBe(count);
      }
      expect(states).toBeGreaterThan(4 * 10);
    },
  );

  test.each([4096, 8192])(
    "of an erasure leaves what is erased when it goes on (payload %i)",
    async (payload) => {
      const bench = new Bench({ payload, current: 0, others: [3, 6] });
      const before = Buffer.from(bench.area);
      const secret = await bench.secret(bench.current);
      const store = new RecordingStore(new MemoryStore(bench.area));
      const erase = async (on: HeaderStore): Promise<void> => {
        const image = bench.image(on, secret);
        await image.remove(await image.identify(), ctx, () => {});
      };
      await erase(store);
      expect(store.barriers.length).toBe(2);
      let opened = 0;
      for (const { label, area } of tornStates(before, store.barriers, STRIDE)) {
        if (await opens(area, bench.current)) opened++;
        await erase(new MemoryStore(area));
        expect(await opens(area, bench.current), `${label}, as it is`).toBe(false);
        // Nor with all that the header was, before what is there now.
        const forged = Buffer.concat([before.subarray(0, 4096), area.subarray(4096)]);
        expect(await opens(forged, bench.current), `${label}, as it is`).toBe(false);
      }
      // Where nothing had reached the disk, at least.
      expect(opened).toBeGreaterThan(0);
    },
  );
});

/** Cuts a real rekey of a disk on a real host, and has other programs open what is left. */
describe("a power cut, as cryptsetup and QEMU see what it leaves", { timeout: 600_000 }, () => {
  test.each<ImagesType>(["raw", "qcow2"])("on %s", async (imagesType) => {
    const host = diskHost(imagesType, MIB);
    const { id, path } = await addDisk(host);
    await using writable = await host.temp.write();
    const [record] = writable.inventory.instance(id)?.disks ?? [];
    if (!record) throw new Error("the disk is there");
    const services = await writable.services();
    const stores: RecordingStore[] = [];
    const recording = (disk: ImageDisk): Image => {
      const image = services.backend(imagesType).image(disk);
      const { header } = image as unknown as { header: (...args: unknown[]) => Promise<HeaderStore> };
      const watched = async (...args: unknown[]): Promise<HeaderStore> => {
        const store = new RecordingStore(await header.apply(image, args));
        stores.push(store);
        return store;
      };
      return Object.assign(image, { header: watched });
    };
    const place = await areaOf(path, imagesType);
    using current = await passphraseOf(writable, record.encryption?.secretId);
    using next = GeneratedPassphrase.create();
    const { id: secretId } = await services.keys.create({ name: "next", passphrase: next }, ctx);
    const whole = join(tempDirectory(), "before");
    copyFileSync(path, whole);
    const mark = await recording(record).rekey({ passphrase: next, secretId }, new RecordingRollback(), ctx);
    const turn = barriersOf(stores).length;
    await recording({ ...record, encryption: { format: "luks", secretId } }).dropKey(mark, ctx);
    const barriers = barriersOf(stores);
    expect(barriers.map((writes) => writes.length)).toEqual([1, 1, 1, 1]);

    const torn = join(tempDirectory(), "torn");
    const container = join(tempDirectory(), "container");
    let seen = 0;
    for (const state of sampled(place.area, barriers)) {
      const passphrase = state.barrier < turn ? current : next;
      writeFileSync(container, Buffer.concat([state.area, Buffer.alloc(MIB)]));
      expect(await cryptsetupOpens(container, passphrase), `${state.label}, cryptsetup`).toBe(true);
      copyFileSync(whole, torn);
      const file = await open(torn, "r+");
      await file.write(state.area, 0, state.area.length, place.offset);
      await file.close();
      const disk = { path: torn, format: imagesType, passphrase } as const;
      expect(await qemuOpens(disk), `${state.label}, QEMU`).toBe(true);
      seen++;
    }
    expect(seen).toBeGreaterThan(10);
  });
});

/** Each torn header, and some of torn key material: each costs two processes. */
function* sampled(area: Buffer, barriers: readonly Barrier[]): Generator<TornState> {
  let index = 0;
  for (const state of tornStates(area, barriers, 250)) {
    const material = (barriers[state.barrier]?.[0]?.bytes.length ?? 0) > 4096;
    if (!material || index % 12 === 0) yield state;
    index++;
  }
}

function barriersOf(stores: readonly RecordingStore[]): readonly Barrier[] {
  return stores.flatMap(({ barriers }) => barriers);
}

/** Where the LUKS header and its key material are in a disk's file. */
async function areaOf(path: string, imagesType: ImagesType): Promise<{ offset: number; area: Buffer }> {
  await using file = await open(path, "r");
  const offset = imagesType === "raw" ? 0 : await qcow2Offset(path);
  const area = Buffer.alloc(2 * MIB - 32 * 1024);
  await file.read(area, 0, area.length, offset);
  return { offset, area };
}

async function qcow2Offset(path: string): Promise<number> {
  const file = await open(path, "r");
  const { luks: range } = (await Qcow2File.open(file)).header;
  await file.close();
  if (!range) throw new Error(`${path} is not encrypted`);
  return range.offset;
}
