import { fsyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GeneratedPassphrase, silentLogger, type SecretRef } from "@luksmith/core";
import { LocalKeyManager } from "../src/index.ts";

/** What one call costs beside a bare fsync: `node --conditions=luksmith-source test/measure.ts [DIRECTORY]`. */
const CALLS = 200;
const directory = mkdtempSync(join(process.argv[2] ?? tmpdir(), "luksmith-measure-"));
const ctx = { requestId: "req-measure", signal: new AbortController().signal, log: silentLogger };
const refs: SecretRef[] = [];

async function measure(what: string, act: (index: number) => unknown): Promise<void> {
  const times: number[] = [];
  for (let i = 0; i < CALLS; i++) {
    const start = performance.now();
    await act(i);
    times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  const at = (share: number) => times[Math.floor(CALLS * share)]?.toFixed(3);
  console.log(`${what}: median ${at(0.5)} ms, p99 ${at(0.99)} ms`);
}

try {
  const file = openSync(join(directory, "bare"), "w");
  const pages = Buffer.alloc(8192, 1);
  await measure("write 8 KiB + fsync", () => {
    writeSync(file, pages);
    fsyncSync(file);
  });
  const statePath = join(directory, "state");
  const keyManager = new LocalKeyManager({ statePath });
  await keyManager.delete({ id: "open the store first" }, ctx);
  await measure("create", async (i) => {
    using passphrase = GeneratedPassphrase.create();
    refs.push(await keyManager.create({ name: `disk ${i}`, passphrase }, ctx));
  });
  await measure("get", async (i) => {
    using passphrase = await keyManager.get(refs[i] ?? { id: "" }, ctx);
    return passphrase.length;
  });
  await measure("list by name", async (i) => {
    for await (const info of keyManager.list({ name: `disk ${i}` }, ctx)) refs[i] = info;
  });
  await measure("delete", async (i) => await keyManager.delete(refs[i] ?? { id: "" }, ctx));
  await keyManager.close();
  await measure("open and close", async () => {
    const other = new LocalKeyManager({ statePath });
    await other.delete({ id: "none" }, ctx);
    await other.close();
  });
} finally {
  rmSync(directory, { recursive: true });
}
