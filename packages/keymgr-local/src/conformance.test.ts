import { describeKeyManager } from "@luksmith/testkit";
import { temporaryStore } from "../test/temporary-store.ts";

describeKeyManager("local", async () => {
  const store = temporaryStore();
  const keyManager = store.open();
  return {
    keyManager,
    capabilities: { list: true },
    reopen: async () => {
      await keyManager.close();
      return store.open();
    },
    alter: async (id) => store.sql(`UPDATE secrets SET nonce = randomblob(12) WHERE id = '${id}'`),
    rawStorage: async () => Object.values(store.files()),
    [Symbol.asyncDispose]: () => store.remove(),
  };
});
