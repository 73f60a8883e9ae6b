import { describeKeyManager } from "./describe-key-manager.ts";
import { InMemoryKeyManager } from "./in-memory-key-manager.ts";
import { PerProjectKeyManager } from "./per-project-key-manager.ts";

describeKeyManager("in memory", async () => {
  const keyManager = new InMemoryKeyManager();
  return { keyManager, capabilities: { list: true }, [Symbol.asyncDispose]: () => keyManager.close() };
});

describeKeyManager("by project", async () => new PerProjectKeyManager().fixture());
