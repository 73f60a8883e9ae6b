import { describeKeyManager, type KeyManagerFixture } from "@luksmith/testkit";
import { vaultBench } from "./vault-bench.ts";

describeKeyManager("vault", async (): Promise<KeyManagerFixture> => {
  const bench = await vaultBench();
  const { vault, keyManager } = bench;
  return {
    keyManager,
    capabilities: { list: true },
    reopen: async () => {
      await keyManager.close();
      return bench.open();
    },
    loseAnswer: () => void vault.fail("drop-after", ({ url }) => url.includes("/data/"), 1),
    unplug: () => vault.fail("drop-before"),
    [Symbol.asyncDispose]: () => bench[Symbol.asyncDispose](),
  };
});
