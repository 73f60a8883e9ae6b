import { createHash } from "node:crypto";
import { writeSync } from "node:fs";
import { GeneratedPassphrase, silentLogger } from "@luksmith/core";
import { LocalKeyManager } from "../src/index.ts";

/** Makes secrets until it is killed or has made enough; one line of id and hash for each that was promised. */
const [statePath = "", most = "1000000"] = process.argv.slice(2);
const keyManager = new LocalKeyManager({ statePath });
const ctx = { requestId: "req-loop", signal: new AbortController().signal, log: silentLogger };
for (let made = 0; made < Number(most); made++) {
  using passphrase = GeneratedPassphrase.create();
  const { id } = await keyManager.create({ name: `disk ${made} of ${process.pid}`, passphrase }, ctx);
  const hash = passphrase.use((bytes) => createHash("sha256").update(bytes).digest("hex"));
  // Not buffered: what is printed was promised before the kill.
  writeSync(1, `${id} ${hash}\n`);
}
await keyManager.close();
