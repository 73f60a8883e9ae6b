import { randomUUID } from "node:crypto";
import { existsSync, renameSync, statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { inspect } from "node:util";
import { GeneratedPassphrase } from "@luksmith/core";
import { testContext } from "@luksmith/testkit";
import { describe, expect, test } from "vitest";
import { put, read, temporaryStore, type TemporaryStore } from "../test/temporary-store.ts";

const modeOf = (path: string) => statSync(path).mode & 0o777;

function holds(store: TemporaryStore, bytes: Uint8Array): boolean {
  return Buffer.concat(Object.values(store.files())).includes(Buffer.from(bytes));
}

describe("local key manager", () => {
  test("does nothing until it is used", async () => {
    const store = temporaryStore();
    await store.open().close();
    expect(existsSync(store.statePath)).toBe(false);
  });

  test("makes everything private, whatever the umask", async () => {
    const umask = process.umask(0);
    try {
      const store = temporaryStore();
      await put(store.open());
      expect(modeOf(store.statePath)).toBe(0o700);
      expect(modeOf(store.keyFile)).toBe(0o600);
      for (const suffix of ["", "-wal", "-shm"]) expect(modeOf(store.databaseFile + suffix)).toBe(0o600);
    } finally {
      process.umask(umask);
    }
  });

  test("says when it made a key, so that the operator backs it up", async () => {
    const store = temporaryStore();
    using passphrase = GeneratedPassphrase.create();
    const ctx = testContext();
    await store.open().create({ name: "a disk", passphrase }, ctx);
    expect(ctx.logged.filter(({ level }) => level === "info")).toMatchObject([
      { message: expect.stringContaining("back it up"), fields: { keyFile: store.keyFile } },
      { fields: { path: store.databaseFile } },
    ]);
  });

  test("lists more secrets than fit one page, each once", async () => {
    const store = temporaryStore();
    const keyManager = store.open();
    const made = new Set<string>();
    for (let i = 0; i < 600; i++) made.add((await put(keyManager, `disk ${i % 2}`)).id);
    const all: string[] = [];
    for await (const { id } of keyManager.list({}, testContext())) all.push(id);
    expect(all).toHaveLength(600);
    expect(new Set(all)).toEqual(made);
    const named: string[] = [];
    for await (const { id } of keyManager.list({ name: "disk 1" }, testContext())) named.push(id);
    expect(new Set(named).size).toBe(300);
  });

  test("finds names by an index", async () => {
    const store = temporaryStore();
    await store.seed();
    using database = new DatabaseSync(store.databaseFile);
    const sql = "SELECT id FROM secrets WHERE id > 'a' AND name = 'b' ORDER BY id LIMIT 256";
    const plan = database.prepare(`EXPLAIN QUERY PLAN ${sql}`).all();
    expect(plan).toMatchObject([{ detail: expect.stringContaining("secrets_by_name (name=? AND id>?)") }]);
  });

  test("stops listing when it is cancelled on the way", async () => {
    const store = temporaryStore();
    const keyManager = store.open();
    for (let i = 0; i < 300; i++) await put(keyManager);
    const abort = new AbortController();
    const listing = async () => {
      for await (const _ of keyManager.list({}, testContext({ signal: abort.signal }))) abort.abort();
    };
    await expect(listing()).rejects.toMatchObject({ code: "Cancelled" });
  });

  test.each(["", "x".repeat(256), "a\0b", "\ud800"])("refuses the name %j", async (name) => {
    const store = temporaryStore();
    await expect(put(store.open(), name)).rejects.toMatchObject({ code: "InvalidRequest" });
  });

  test.each(["x".repeat(255), "Ünïcode 💾 'quoted' \"twice\"; --", "a\nb"])(
    "takes the name %j",
    async (name) => {
      const store = temporaryStore();
      const keyManager = store.open();
      const ref = await put(keyManager, name);
      expect(await read(keyManager, ref)).toBe(88);
      for await (const info of keyManager.list({ name }, testContext()))
        expect(info).toMatchObject({ ...ref, name });
      expect.assertions(2);
    },
  );

  test("takes any id for a secret it does not have", async () => {
    const store = temporaryStore();
    const keyManager = store.open();
    for (const id of ["", "'; DROP TABLE secrets; --", randomUUID().toUpperCase()]) {
      await expect(read(keyManager, { id })).rejects.toMatchObject({
        code: "EphemeralEncryptionSecretNotFound",
      });
      await expect(keyManager.delete({ id }, testContext())).resolves.toBeUndefined();
    }
  });

  test("leaves nothing of a deleted secret, not even wrapped, in the state directory", async () => {
    const store = temporaryStore();
    const keyManager = store.open();
    const gone = await put(keyManager, "to be deleted");
    await put(keyManager, "to be kept");
    using database = new DatabaseSync(store.databaseFile, { readOnly: true });
    const wrapped = database.prepare("SELECT wrapped FROM secrets WHERE id = ?").get(gone.id)?.["wrapped"];
    database.close();
    if (!(wrapped instanceof Uint8Array)) throw new Error("not stored");
    expect(holds(store, wrapped)).toBe(true);
    await keyManager.delete(gone, testContext());
    expect(holds(store, wrapped)).toBe(false);
  });

  test("does not go on writing to a store that was moved away", async () => {
    const store = temporaryStore();
    const keyManager = store.open();
    const ref = await put(keyManager);
    renameSync(store.databaseFile, `${store.databaseFile}.old`);
    await expect(put(keyManager)).rejects.toMatchObject({ code: "KeyStoreUnsafe" });
    await expect(read(keyManager, ref)).rejects.toMatchObject({ code: "KeyStoreUnsafe" });
    renameSync(`${store.databaseFile}.old`, store.databaseFile);
    expect(await read(keyManager, ref)).toBe(88);
  });

  test("tries again after a failed start", async () => {
    const store = temporaryStore();
    const ref = await store.seed();
    renameSync(store.keyFile, `${store.keyFile}.away`);
    const keyManager = store.open();
    await expect(read(keyManager, ref)).rejects.toMatchObject({ code: "KeyEncryptionKeyMissing" });
    renameSync(`${store.keyFile}.away`, store.keyFile);
    expect(await read(keyManager, ref)).toBe(88);
  });

  test("says that another process holds the lock, and works when it is free", async () => {
    const store = temporaryStore();
    const keyManager = store.open({ busyTimeoutMs: 20 });
    const ref = await put(keyManager);
    using other = new DatabaseSync(store.databaseFile);
    other.exec("BEGIN IMMEDIATE");
    await expect(put(keyManager)).rejects.toMatchObject({ code: "KeyManagerUnavailable", retryable: true });
    expect(await read(keyManager, ref)).toBe(88);
    other.exec("ROLLBACK");
    await put(keyManager);
  });

  test("is closed for good, any number of times", async () => {
    const store = temporaryStore();
    const keyManager = store.open();
    const ref = await put(keyManager);
    await keyManager.close();
    await keyManager.close();
    await expect(read(keyManager, ref)).rejects.toMatchObject({
      code: "KeyManagerUnavailable",
      retryable: false,
    });
  });

  test("shows no key when printed", async () => {
    const store = temporaryStore();
    const keyManager = store.open();
    await put(keyManager);
    const key = store.files()["key-encryption-key"];
    const printed = inspect(keyManager, { depth: null, showHidden: true }) + JSON.stringify(keyManager);
    expect(key).toHaveLength(32);
    expect(printed).not.toContain(key?.toString("hex"));
    expect(printed).not.toContain(key?.toString("hex").match(/../g)?.join(" "));
  });
});
