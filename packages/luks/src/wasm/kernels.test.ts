import { describe, expect, it } from "vitest";
import { assemble, KERNELS } from "../../kernels/assemble.ts";
import { SHA256_CHAIN } from "./sha256-chain-bytes.ts";
import { XTS_KERNEL } from "./xts-kernel-bytes.ts";

describe("committed kernels", () => {
  it.each([
    ["XTS_KERNEL", XTS_KERNEL],
    ["SHA256_CHAIN", SHA256_CHAIN],
  ] as const)("%s is what its source assembles to", async (name, committed) => {
    const assembled = Buffer.from(await assemble(KERNELS[name].wat())).toString("base64");
    expect(committed).toBe(assembled);
  });
});
