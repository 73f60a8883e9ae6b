import { describe, expect, it } from "vitest";
import { cancelledError, type OpContext } from "../image/op-context.ts";
import { LuksmithError } from "../errors/luksmith-error.ts";
import type { ImageBackend } from "../image/image-backend.ts";
import { silentLogger } from "../log/logger.ts";
import { hostTraits, type TraitSources } from "./host-traits.ts";
import { ENCRYPTION_TRAITS, type TraitProvider } from "./trait.ts";

const ctx: OpContext = { requestId: "req-1", signal: new AbortController().signal, log: silentLogger };

const backend = (more: Partial<ImageBackend> = {}): ImageBackend => ({
  name: "test",
  capabilities: { formats: ["raw"], encryption: ["luks"], resize: false, snapshot: [], overlays: false },
  image: () => {
    throw new Error("traits need no image");
  },
  ...more,
});

const sources = (more: Partial<TraitSources> = {}): TraitSources => ({
  chosenBackend: backend(),
  hasKeyManager: true,
  traitProviders: [],
  ...more,
});

const reasons = async (more: Partial<TraitSources>) => {
  const { traits, owned, absent } = await hostTraits(sources(more), ctx);
  expect(owned).toEqual(ENCRYPTION_TRAITS);
  expect(traits).toEqual([]);
  return absent.map(({ source, reason }) => `${source}: ${reason}`);
};

describe("hostTraits", () => {
  it("claims both traits of a backend that can, whether it can be asked or not", async () => {
    for (const ready of [undefined, async () => undefined]) {
      const chosenBackend = backend(ready ? { ready } : {});
      const found = await hostTraits(sources({ chosenBackend }), ctx);
      expect(found).toEqual({ traits: ENCRYPTION_TRAITS, owned: ENCRYPTION_TRAITS, absent: [] });
    }
  });

  it("withdraws them where the backend cannot, now or ever, and says why", async () => {
    const plain = backend({ capabilities: { ...backend().capabilities, encryption: ["plain"] } });
    expect(await reasons({ chosenBackend: plain })).toEqual(["backend test: it makes no LUKS disks"]);
    const full = backend({ ready: async () => "the disk is gone" });
    expect(await reasons({ chosenBackend: full })).toEqual(["backend test: the disk is gone"]);
    const broken = backend({ ready: () => Promise.reject(new Error("a bug")) });
    expect(await reasons({ chosenBackend: broken })).toEqual(["backend test: a bug"]);
  });

  it("withdraws them where nothing can be made for want of a key manager or of the backend", async () => {
    expect(await reasons({ hasKeyManager: false })).toEqual(["backend test: no key manager is configured"]);
    const misconfigured: TraitSources = {
      get chosenBackend(): ImageBackend {
        throw new LuksmithError("ConfigInvalid", "no plugin provides lvm");
      },
      hasKeyManager: true,
      traitProviders: [],
    };
    const { traits, absent } = await hostTraits(misconfigured, ctx);
    expect(traits).toEqual([]);
    expect(absent[0]?.reason).toBe("no plugin provides lvm");
  });

  it("takes a cancel for a cancel, not for a host that cannot", async () => {
    const chosenBackend = backend({ ready: () => Promise.reject(cancelledError("enough")) });
    await expect(hostTraits(sources({ chosenBackend }), ctx)).rejects.toMatchObject({ code: "Cancelled" });
  });

  it("adds what providers say, of what they own, and nothing of one that fails", async () => {
    const good: TraitProvider = {
      name: "good",
      owned: ["CUSTOM_A", "CUSTOM_B"],
      traits: async () => ["CUSTOM_B", "CUSTOM_STRAY"],
    };
    const bad: TraitProvider = {
      name: "bad",
      owned: ["CUSTOM_C"],
      traits: () => Promise.reject(new Error("no answer")),
    };
    const found = await hostTraits(sources({ traitProviders: [good, bad] }), ctx);
    expect(found.traits).toEqual([...ENCRYPTION_TRAITS, "CUSTOM_B"]);
    expect(found.owned).toEqual([...ENCRYPTION_TRAITS, "CUSTOM_A", "CUSTOM_B", "CUSTOM_C"]);
    expect(found.absent).toMatchObject([
      { source: "good", traits: ["CUSTOM_A"] },
      { source: "bad", traits: ["CUSTOM_C"], reason: "no answer" },
    ]);
  });
});
