import { createInterface } from "node:readline";
import { VaultServer } from "./vault-server.ts";

/** For trying it by hand: prints its URL, and how many secrets it has for each line it gets; ends with its input. */
const vault = await VaultServer.start();
process.stdout.write(`${vault.url}\n`);
for await (const _line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${vault.engine.secrets.size}\n`);
}
await vault[Symbol.asyncDispose]();
