import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeKeyManager, type KeyManagerFixture } from "@luksmith/testkit";
import { AcmeKeyManager } from "../src/acme-key-manager.ts";

/** A store that no other test uses. */
async function acmeFixture(): Promise<KeyManagerFixture> {
  const directory = await mkdtemp(join(tmpdir(), "acme-"));
  let keyManager = new AcmeKeyManager(directory);
  return {
    keyManager,
    capabilities: { list: true },
    reopen: async () => {
      await keyManager.close();
      keyManager = new AcmeKeyManager(directory);
      return keyManager;
    },
    rawStorage: async () => {
      const names = await readdir(directory);
      return await Promise.all(names.map((name) => readFile(join(directory, name))));
    },
    [Symbol.asyncDispose]: async () => {
      await keyManager.close();
      await rm(directory, { recursive: true });
    },
  };
}

describeKeyManager("acme", acmeFixture);
