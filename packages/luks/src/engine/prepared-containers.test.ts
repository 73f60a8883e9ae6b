import { randomUUID } from "node:crypto";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { type FormattedContainer, GeneratedPassphrase, LuksEngine, parseHeader, unlock } from "../index.ts";
import { buildContainer } from "../format-container.ts";
import { PreparedContainers } from "./prepared-containers.ts";
import { areaOf } from "./retained-areas.ts";

const NOBODYS = { uuid: "00000000-0000-0000-0000-000000000000", payloadOffset: 4096 };
const plan = (iterations = 1000) => ({ uuid: randomUUID(), payloadOffset: 4040, iterations });

/** Four ready containers, made as the worker does. */
async function ready() {
  const made: [GeneratedPassphrase, FormattedContainer][] = [];
  const four = Promise.withResolvers<void>();
  const containers = new PreparedContainers(
    async (passphrase, iterations) => {
      const container = buildContainer({ ...NOBODYS, iterations }, passphrase);
      if (made.push([passphrase, container]) === 4) void nextTurn().then(four.resolve);
      return container;
    },
    () => true,
  );
  containers.give()[Symbol.dispose]();
  await four.promise;
  return { containers, made };
}

const isWiped = ({ volumeKey }: FormattedContainer) => {
  try {
    return volumeKey.use(() => false);
  } catch {
    return true;
  }
};

describe("PreparedContainers", () => {
  it("gives each passphrase once, with a container of its own that opens by it", async () => {
    const { containers, made } = await ready();
    using _containers = containers;
    const keys = new Set<string>();
    const passphrases = new Set<string>();
    for (let i = 0; i < 6; i++) {
      const passphrase = containers.give();
      passphrase.use((bytes) => passphrases.add(Buffer.from(bytes).toString("hex")));
      const wanted = plan();
      const container = containers.take(passphrase, wanted);
      expect(container === undefined).toBe(i >= 4);
      if (container === undefined) continue;
      const area = areaOf(container.writes);
      expect(parseHeader(area)).toEqual(container.header);
      expect(container.header).toMatchObject({ uuid: wanted.uuid, payloadOffset: 4040 });
      expect(unlock(area, passphrase).volumeKey.equals(container.volumeKey)).toBe(true);
      container.volumeKey.use((bytes) => keys.add(Buffer.from(bytes).toString("hex")));
      expect(containers.take(passphrase, plan())).toBeUndefined();
    }
    expect(passphrases.size).toBe(6);
    expect(keys.size).toBe(4);
    expect(made).toHaveLength(4);
  });

  it("knows nothing of passphrases of others", async () => {
    const { containers, made } = await ready();
    using _containers = containers;
    expect(containers.take(GeneratedPassphrase.create(), plan())).toBeUndefined();
    for (const [passphrase] of made) expect(containers.take(passphrase, plan())).toBeUndefined();
  });

  it("wipes what was stretched by other iterations than wanted", async () => {
    const { containers, made } = await ready();
    using _containers = containers;
    expect(containers.take(containers.give(), plan(2000))).toBeUndefined();
    expect(made.map(([, container]) => isWiped(container))).toEqual([true, true, true, true]);
    // The first is its taker's.
    expect(made.map(([passphrase]) => passphrase.isWiped)).toEqual([false, true, true, true]);
  });

  it("wipes the container of a passphrase that was disposed unused", async () => {
    const { containers, made } = await ready();
    using _containers = containers;
    containers.give()[Symbol.dispose]();
    const kept = containers.give();
    expect(made.map(([, container]) => isWiped(container))).toEqual([true, false, false, false]);
    expect(containers.take(kept, plan())).toBeDefined();
  });

  it("wipes all that is left when it is disposed, but no passphrase that was given away", async () => {
    const { containers, made } = await ready();
    containers.give();
    containers[Symbol.dispose]();
    expect(made.every(([, container]) => isWiped(container))).toBe(true);
    expect(made.map(([passphrase]) => passphrase.isWiped)).toEqual([false, true, true, true]);
  });
});

describe("LuksEngine and prepared containers", () => {
  /** One that comes in microtasks was there before; a thread would take a turn of the event loop. */
  async function prepared(engine: LuksEngine) {
    for (;;) {
      const passphrase = engine.generatePassphrase();
      const uuid = randomUUID();
      const made = engine.format({ uuid, passphrase }, { retain: true });
      const first = await Promise.race([made, nextTurn()]);
      if (first !== undefined) return { uuid, passphrase, container: first };
      (await made).volumeKey[Symbol.dispose]();
      await sleep(50);
    }
  }

  it("opens one by the passphrase that it was made with", async () => {
    await using engine = new LuksEngine({ threads: 1 });
    const { uuid, passphrase, container } = await prepared(engine);
    const opened = await engine.unlockFormatted(uuid, passphrase, Promise.resolve(container));
    expect(opened.volumeKey.equals(container.volumeKey)).toBe(true);
    expect(unlock(areaOf(container.writes), passphrase).volumeKey.equals(container.volumeKey)).toBe(true);
  });

  it("refuses any other passphrase, also another prepared one", async () => {
    await using engine = new LuksEngine({ threads: 1 });
    const [one, two] = [await prepared(engine), await prepared(engine)];
    const opened = engine.unlockFormatted(one.uuid, two.passphrase, Promise.resolve(one.container));
    await expect(opened).rejects.toMatchObject({ code: "LuksPassphraseRefused" });
  });

  it("gives a second disk with the same passphrase a volume key of its own", async () => {
    await using engine = new LuksEngine({ threads: 1 });
    const { passphrase, container } = await prepared(engine);
    const second = await engine.format({ uuid: randomUUID(), passphrase });
    expect(second.volumeKey.equals(container.volumeKey)).toBe(false);
  });
});
