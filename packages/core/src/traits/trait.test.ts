import { describe, expect, it } from "vitest";
import type { ImageBackend } from "../image/image-backend.ts";
import { encryptionTraits } from "./trait.ts";

const backend = (encryption: ImageBackend["capabilities"]["encryption"]): ImageBackend => ({
  name: "test",
  capabilities: { formats: ["raw"], encryption, resize: false, snapshot: [], overlays: false },
  image: () => {
    throw new Error("traits need no image");
  },
});

describe("encryptionTraits", () => {
  it("reports both traits together for a backend that can do LUKS", () => {
    expect(encryptionTraits(backend(["luks"]))).toEqual([
      "COMPUTE_EPHEMERAL_ENCRYPTION",
      "COMPUTE_EPHEMERAL_ENCRYPTION_LUKS",
    ]);
  });

  it("reports nothing for plain dm-crypt alone, which the specification keeps silent about", () => {
    expect(encryptionTraits(backend(["plain"]))).toEqual([]);
    expect(encryptionTraits(backend([]))).toEqual([]);
  });
});
