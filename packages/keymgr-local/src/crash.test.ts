import { spawn } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { once } from "node:events";
import { linkSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { testContext } from "@luksmith/testkit";
import { describe, expect, test } from "vitest";
import { put, read, temporaryStore, type TemporaryStore } from "../test/temporary-store.ts";

const LOOP = fileURLToPath(new URL("../test/create-loop.ts", import.meta.url));

function startLoop(store: TemporaryStore, most: number) {
  const args = ["--conditions=luksmith-source", LOOP, store.statePath, String(most)];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  const output = text(child.stdout);
  const errors = text(child.stderr);
  const ended = once(child, "close");
  return {
    child,
    /** Resolves when the first secret was promised. */
    started: once(child.stdout, "data"),
    finish: async () => {
      await ended;
      const lines = (await output).split("\n").slice(0, -1);
      return { errors: await errors, promised: new Map(lines.map((line) => splitOnce(line))) };
    },
  };
}

function splitOnce(line: string): [string, string] {
  const [id = "", hash = ""] = line.split(" ");
  return [id, hash];
}

/** Every listed secret, by id, with the hash of its passphrase. */
async function readAll(store: TemporaryStore): Promise<Map<string, string>> {
  const keyManager = store.open();
  const found = new Map<string, string>();
  for await (const { id } of keyManager.list({}, testContext())) {
    using passphrase = await keyManager.get({ id }, testContext());
    found.set(
      id,
      passphrase.use((bytes) => createHash("sha256").update(bytes).digest("hex")),
    );
  }
  await keyManager.close();
  return found;
}

describe("a killed process", () => {
  test("leaves every secret it promised, and none that cannot be read", async () => {
    const store = temporaryStore();
    const promised = new Map<string, string>();
    for (const waitMs of [0, 3, 17, 40]) {
      const loop = startLoop(store, 1_000_000);
      await loop.started;
      await sleep(waitMs);
      loop.child.kill("SIGKILL");
      for (const [id, hash] of (await loop.finish()).promised) promised.set(id, hash);
      const found = await readAll(store);
      // One more than promised each time: killed between the commit and the answer.
      expect(found.size - promised.size).toBeGreaterThanOrEqual(0);
      for (const [id, hash] of promised) expect(found.get(id)).toBe(hash);
      for (const [id, hash] of found) promised.set(id, hash);
    }
  });

  test("can be followed by another, wherever in its first start it was killed", async () => {
    for (let round = 0; round < 8; round++) {
      const store = temporaryStore();
      const loop = startLoop(store, 1);
      // Starts take longer than this; what matters is that the kills spread over the first touch of the directory.
      await waitForAny(store);
      await sleep(round / 2);
      loop.child.kill("SIGKILL");
      const { promised } = await loop.finish();
      const ref = await store.seed();
      const found = await readAll(store);
      expect([...found.keys()]).toEqual(expect.arrayContaining([...promised.keys(), ref.id]));
      expect(Object.keys(store.files()).filter((name) => name.endsWith(".new"))).toEqual([]);
    }
  });

  test.each<[string, (store: TemporaryStore) => void]>([
    ["an empty directory", () => {}],
    ["a key that was not published", (store) => leave(store, "key-encryption-key", "half a key")],
    [
      "a store that was not published",
      (store) => {
        leave(store, "key-encryption-key", "half a key");
        leave(store, "keys.sqlite", "half a store");
        leave(store, "keys.sqlite", "half a journal", "-journal");
      },
    ],
    ["a published key", (store) => writeFileSync(store.keyFile, randomKey(), { mode: 0o600 })],
    [
      "a published key with its other name",
      (store) => {
        const temporary = leave(store, "key-encryption-key", randomKey());
        linkSync(temporary, store.keyFile);
      },
    ],
  ])("may leave %s", async (_, prepare) => {
    const store = temporaryStore();
    mkdirSync(store.statePath, { mode: 0o700 });
    prepare(store);
    const ref = await store.seed();
    expect(await read(store.open(), ref)).toBe(88);
    expect(Object.keys(store.files()).filter((name) => name.startsWith("."))).toEqual([]);
  });

  test("may leave a published store with its other name", async () => {
    const store = temporaryStore();
    const ref = await store.seed();
    linkSync(store.databaseFile, join(store.statePath, `.keys.sqlite.${randomUUID()}.new`));
    expect(await read(store.open(), ref)).toBe(88);
    expect(Object.keys(store.files()).filter((name) => name.startsWith("."))).toEqual([]);
  });

  test("does not get anybody else's files swept", async () => {
    const store = temporaryStore();
    await store.seed();
    const names = [
      ".keys.sqlite.backup.new",
      ".keys.sqlite",
      "keys.sqlite.bak",
      `.keysXsqlite.${randomUUID()}.new`,
    ];
    for (const name of names) writeFileSync(join(store.statePath, name), "");
    await put(store.open());
    expect(Object.keys(store.files())).toEqual(expect.arrayContaining(names));
  });
});

describe("processes that start at once", () => {
  test("end with one key and one store, and lose nothing", async () => {
    const store = temporaryStore();
    const loops = Array.from({ length: 4 }, () => startLoop(store, 25));
    const results = await Promise.all(loops.map((loop) => loop.finish()));
    expect(results.map(({ errors }) => errors)).toEqual(["", "", "", ""]);
    const promised = together(results);
    expect(promised.size).toBe(100);
    expect(await readAll(store)).toEqual(promised);
    expect(Object.keys(store.files()).toSorted()).toEqual(["key-encryption-key", "keys.sqlite"]);
  });

  test("agree also when they find a key and no store", async () => {
    const store = temporaryStore();
    await store.seed();
    rmSync(store.databaseFile);
    const loops = Array.from({ length: 3 }, () => startLoop(store, 5));
    const results = await Promise.all(loops.map((loop) => loop.finish()));
    expect(await readAll(store)).toEqual(together(results));
  });
});

function together(results: readonly { readonly promised: Map<string, string> }[]): Map<string, string> {
  const all = new Map<string, string>();
  for (const { promised } of results) for (const [id, hash] of promised) all.set(id, hash);
  return all;
}

function randomKey(): Uint8Array {
  return createHash("sha256").update(randomUUID()).digest();
}

/** Leaves a temporary file as a killed process does; its path. */
function leave(store: TemporaryStore, name: string, content: string | Uint8Array, suffix = ""): string {
  const path = join(store.statePath, `.${name}.${randomUUID()}.new${suffix}`);
  writeFileSync(path, content, { mode: 0o600 });
  return path;
}

async function waitForAny(store: TemporaryStore): Promise<void> {
  for (;;) {
    try {
      store.files();
      return;
    } catch {
      await sleep(0);
    }
  }
}
