import { randomUUID } from "node:crypto";
import { afterAll, describe, expect, it } from "vitest";
import {
  activeAreaBytes,
  type FormattedContainer,
  GeneratedPassphrase,
  Passphrase,
  stretchedIterations,
  unlock,
} from "../index.ts";
import { LuksEngine } from "./luks-engine.ts";

const engine = new LuksEngine({ threads: 2 });
afterAll(() => engine[Symbol.asyncDispose]());

function areaOf({ writes, header }: FormattedContainer): Uint8Array {
  const area = Buffer.alloc(header.payloadOffset * 512);
  for (const { offset, bytes } of writes) area.set(bytes, offset);
  return area;
}

const refused = (code: string) => expect.objectContaining({ code });

describe("LuksEngine and a container that is being made", () => {
  const request = () => ({ uuid: randomUUID(), passphrase: GeneratedPassphrase.create() });

  it.each([12, 100])("opens %i that are being made at once, without waiting for them", async (count) => {
    await using several = new LuksEngine({ threads: 3 });
    const requests = Array.from({ length: count }, request);
    const made = requests.map((each) => ({ each, container: several.format(each, { retain: true }) }));
    const opened = made.map(({ each: { uuid, passphrase }, container }) =>
      several.unlockFormatted(uuid, passphrase, container),
    );
    for (const [index, { container }] of made.entries()) {
      expect((await opened[index])?.volumeKey.equals((await container).volumeKey)).toBe(true);
    }
  });

  it("opens what was not kept for it", async () => {
    await using one = new LuksEngine({ threads: 1 });
    const { uuid, passphrase } = request();
    const made = one.format({ uuid, passphrase });
    const opened = await one.unlockFormatted(uuid, passphrase, made);
    expect(opened.volumeKey.equals((await made).volumeKey)).toBe(true);
  });

  it.each([true, false])("refuses another passphrase, retained: %s", async (retain) => {
    await using one = new LuksEngine({ threads: 1 });
    const { uuid, passphrase } = request();
    const made = one.format({ uuid, passphrase }, { retain });
    const wrong = one.unlockFormatted(uuid, GeneratedPassphrase.create(), made);
    await expect(wrong).rejects.toMatchObject({ code: "LuksPassphraseRefused" });
  });

  it("fails as its format failed", async () => {
    await using one = new LuksEngine({ threads: 1 });
    const { uuid, passphrase } = request();
    const made = Promise.reject(new Error("no format"));
    made.catch(() => undefined);
    await expect(one.unlockFormatted(uuid, passphrase, made)).rejects.toThrow("no format");
  });
});

describe("LuksEngine and headers", () => {
  it("formats, unlocks and adds key slots like the functions of the same names", async () => {
    using passphrase = GeneratedPassphrase.create();
    using second = GeneratedPassphrase.create();
    const container = await engine.format({ uuid: randomUUID(), passphrase, payloadOffset: 8192 });
    const area = areaOf(container);
    expect(container.header.payloadOffset).toBe(8192);
    expect(unlock(area, passphrase).volumeKey.equals(container.volumeKey)).toBe(true);

    const opened = await engine.unlock(area, passphrase, { keySlot: 0 });
    expect(opened.keySlot).toBe(0);
    expect(opened.volumeKey.equals(container.volumeKey)).toBe(true);
    expect(opened.volumeKey.cipherMode).toBe("xts-plain64");

    const writes = await engine.addKeySlot(area, opened.volumeKey, { passphrase: second, keySlot: 3 });
    for (const { offset, bytes } of writes) area.set(bytes, offset);
    expect(
      (await engine.unlock(area.subarray(0, activeAreaBytes(container.header) + 3 * 504 * 512), second))
        .keySlot,
    ).toBe(3);
    expect((await engine.unlock(area, passphrase)).keySlot).toBe(0);
  });

  it("rejects with the same errors", async () => {
    using passphrase = GeneratedPassphrase.create();
    using supplied = new Passphrase(Buffer.from("correct horse"));
    const container = await engine.format({ uuid: randomUUID(), passphrase });
    const area = areaOf(container);
    const uuid = randomUUID();
    await expect(engine.unlock(area, supplied)).rejects.toThrow(refused("LuksPassphraseRefused"));
    await expect(engine.unlock(area, supplied)).rejects.toMatchObject({
      category: "permission",
      name: "LuksError",
    });
    await expect(engine.unlock(area, passphrase, { keySlot: 2 })).rejects.toThrow(
      refused("LuksKeySlotUnavailable"),
    );
    await expect(engine.unlock(new Uint8Array(600), passphrase)).rejects.toThrow(
      refused("LuksHeaderInvalid"),
    );
    await expect(engine.unlock(area.subarray(0, 9000), passphrase)).rejects.toThrow(
      refused("LuksHeaderInvalid"),
    );
    await expect(engine.format({ uuid: "x", passphrase })).rejects.toThrow(refused("LuksRequestInvalid"));
    // @ts-expect-error -- a supplied passphrase needs stretched iterations
    await expect(engine.format({ uuid, passphrase: supplied })).rejects.toThrow(
      refused("LuksRequestInvalid"),
    );
    const used = engine.addKeySlot(area, container.volumeKey, { passphrase, keySlot: 0 });
    await expect(used).rejects.toThrow(refused("LuksKeySlotUnavailable"));
    expect(() => new LuksEngine({ threads: 0 })).toThrow(refused("LuksRequestInvalid"));
  });

  it("copies the secrets at once: the caller may wipe its own while the job runs", async () => {
    const passphrase = GeneratedPassphrase.create();
    const copy = passphrase.use((bytes) => new Passphrase(bytes));
    const pending = engine.format({ uuid: randomUUID(), passphrase });
    passphrase[Symbol.dispose]();
    const container = await pending;
    expect(unlock(areaOf(container), copy).keySlot).toBe(0);
  });

  it("leaves the event loop free while a passphrase is stretched", async () => {
    using passphrase = new Passphrase(Buffer.from("correct horse"));
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    await engine.format({ uuid: randomUUID(), passphrase, iterations: stretchedIterations(600_000) });
    clearInterval(timer);
    expect(turns).toBeGreaterThan(5);
  });

  it("keeps neither threads, handles nor memory over 1000 jobs", async () => {
    using passphrase = GeneratedPassphrase.create();
    const area = areaOf(await engine.format({ uuid: randomUUID(), passphrase }));
    const round = async (jobs: number): Promise<void> => {
      for (let i = 0; i < jobs; i += 20) {
        const batch = Array.from({ length: 20 }, () => engine.unlock(area, passphrase));
        for (const { volumeKey } of await Promise.all(batch)) volumeKey[Symbol.dispose]();
      }
    };
    await round(200);
    const before = { resources: process.getActiveResourcesInfo().length, rss: process.memoryUsage.rss() };
    await round(1000);
    expect(process.getActiveResourcesInfo().length).toBeLessThanOrEqual(before.resources + 2);
    expect(process.memoryUsage.rss() - before.rss).toBeLessThan(150 * 1024 * 1024);
  });
});
