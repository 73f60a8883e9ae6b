import { randomUUID } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import { type FormattedContainer, GeneratedPassphrase, LuksEngine } from "@luksmith/luks";
import { afterAll, describe, expect, it } from "vitest";
import type { KeyManager } from "../key-manager/key-manager.ts";
import { silentLogger } from "../log/logger.ts";
import { createEncrypted, type EncryptedDisk } from "./create-encrypted.ts";
import type { ImagePolicy } from "./image-backend.ts";
import type { OpContext } from "./op-context.ts";

const ctx: OpContext = { requestId: "req-test", signal: new AbortController().signal, log: silentLogger };
const luks = new LuksEngine({ threads: 1 });
afterAll(() => luks[Symbol.asyncDispose]());

const policy: ImagePolicy = {
  pbkdfIterations: 1000,
  verify: "header",
  preallocate: "none",
  forceRaw: true,
  commandTimeoutMs: 1000,
};
/** `verify = header` asks nobody. */
const keys = new Proxy({} as KeyManager, { get: () => expect.unreachable() });

/** A storage in memory. */
class Storage {
  readonly area = new Uint8Array(2 * 1024 * 1024);
  opened = 0;
  reads = 0;
  closed = 0;
  /** Holds every read. */
  gate: Promise<void> = Promise.resolve();

  async write(container: Promise<FormattedContainer>): Promise<void> {
    for (const { offset, bytes } of (await container).writes) this.area.set(bytes, offset);
  }

  create(allocate: EncryptedDisk["allocate"]): Promise<void> {
    const disk = { instanceUuid: randomUUID(), name: "disk", uuid: randomUUID(), virtualSize: 512n };
    const header = async () => {
      this.opened++;
      return {
        containerBytes: BigInt(this.area.length),
        read: async (offset: number, length: number) => {
          this.reads++;
          await this.gate;
          return this.area.slice(offset, offset + length);
        },
        write: async () => {},
        sync: async () => {},
        [Symbol.asyncDispose]: async () => void this.closed++,
      };
    };
    const parts = { disk, payloadOffset: 4096, allocate, header };
    return createEncrypted(parts, GeneratedPassphrase.create(), { keys, luks, policy }, ctx);
  }
}

describe("createEncrypted", () => {
  it("reads back what has its name while the storage still syncs, once", async () => {
    const storage = new Storage();
    await storage.create(async (container, named) => {
      await storage.write(container);
      named();
      while (storage.closed === 0) await nextTurn();
    });
    expect(storage).toMatchObject({ opened: 1, closed: 1 });
  });

  it("reads back afterwards where the backend does not say when it has its name", async () => {
    const storage = new Storage();
    await storage.create(async (container) => {
      await storage.write(container);
      expect(storage.opened).toBe(0);
    });
    expect(storage).toMatchObject({ opened: 1, closed: 1 });
  });

  it.each([true, false])("refuses other bytes than were written (seen while it syncs: %s)", async (early) => {
    const storage = new Storage();
    const made = storage.create(async (container, named) => {
      await storage.write(container);
      storage.area[4096] = (storage.area[4096] ?? 0) ^ 1;
      if (early) named();
    });
    await expect(made).rejects.toMatchObject({ code: "DiskNotProven" });
  });

  it("fails only when nobody reads any more, with what the storage said", async () => {
    const storage = new Storage();
    const gate = Promise.withResolvers<void>();
    storage.gate = gate.promise;
    let outcome: unknown;
    const made = storage
      .create(async (container, named) => {
        await storage.write(container);
        named();
        throw new Error("the sync failed");
      })
      .catch((error: unknown) => (outcome = error));
    while (storage.reads === 0) await nextTurn();
    for (let i = 0; i < 20; i++) await nextTurn();
    expect(outcome).toBeUndefined();
    gate.resolve();
    await made;
    expect(outcome).toMatchObject({ message: "the sync failed" });
    expect(storage.closed).toBe(1);
  });
});
