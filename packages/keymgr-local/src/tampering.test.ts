import { copyFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import { put, read, temporaryStore } from "../test/temporary-store.ts";

// Each leads to another byte than the one that stands there, whichever that is.
const OTHER_FIRST = "iif(substr(wrapped, 1, 1) = x'00', x'01', x'00') || substr(wrapped, 2)";
const OTHER_LAST = "substr(wrapped, 1, 103) || iif(substr(wrapped, 104) = x'00', x'01', x'00')";

describe("a changed secret", () => {
  test.each([
    ["name", "name = 'another disk'"],
    ["name, by case", "name = upper(name)"],
    ["name, emptied", "name = ''"],
    ["created_at", "created_at = '2001-01-01T00:00:00.000Z'"],
    [
      "created_at and name, shifted into each other",
      "created_at = substr(name, -1) || created_at, name = substr(name, 1, length(name) - 1)",
    ],
    ["nonce", "nonce = randomblob(12)"],
    ["nonce, cut", "nonce = substr(nonce, 1, 11)"],
    ["nonce, emptied", "nonce = x''"],
    ["ciphertext", `wrapped = ${OTHER_FIRST}`],
    ["ciphertext, replaced", "wrapped = randomblob(104)"],
    ["tag", `wrapped = ${OTHER_LAST}`],
    ["tag, cut", "wrapped = substr(wrapped, 1, 103)"],
    ["everything but the tag", "wrapped = substr(wrapped, -16)"],
    ["wrapped, emptied", "wrapped = x''"],
    ["wrapped, longer", "wrapped = wrapped || x'00'"],
  ])("is refused: %s", async (_, assignment) => {
    const store = temporaryStore();
    const ref = await store.seed();
    // A concatenation of blobs is text in SQLite, which a STRICT table refuses.
    const typed = assignment.replace(/wrapped = (.*\|\|.*)$/, "wrapped = CAST($1 AS BLOB)");
    store.sql(`UPDATE secrets SET ${typed}`);
    await expect(read(store.open(), ref)).rejects.toMatchObject({
      code: "SecretTampered",
      message: expect.stringContaining(ref.id),
    });
  });

  test("is refused under another id", async () => {
    const store = temporaryStore();
    await store.seed();
    const id = "00000000-0000-4000-8000-000000000000";
    store.sql(`UPDATE secrets SET id = '${id}'`);
    await expect(read(store.open(), { id })).rejects.toMatchObject({ code: "SecretTampered" });
  });

  test("is refused when two secrets were exchanged", async () => {
    const store = temporaryStore();
    const [first, second] = [await store.seed("one name"), await store.seed("one name")];
    store.sql(`
      CREATE TEMP TABLE old AS SELECT * FROM secrets;
      UPDATE secrets SET (nonce, wrapped, created_at) =
        (SELECT nonce, wrapped, created_at FROM old WHERE old.id <> secrets.id);
    `);
    const keyManager = store.open();
    await expect(read(keyManager, first)).rejects.toMatchObject({ code: "SecretTampered" });
    await expect(read(keyManager, second)).rejects.toMatchObject({ code: "SecretTampered" });
  });

  test("is refused in another store under the same key", async () => {
    const from = temporaryStore();
    const to = temporaryStore();
    const ref = await from.seed();
    const keyManager = to.open({ keyFile: from.keyFile });
    const own = await put(keyManager);
    to.sql(`ATTACH '${from.databaseFile}' AS other; INSERT INTO secrets SELECT * FROM other.secrets`);
    await expect(read(keyManager, ref)).rejects.toMatchObject({ code: "SecretTampered" });
    expect(await read(keyManager, own)).toBe(88);
  });

  test("does not keep the others from being read", async () => {
    const store = temporaryStore();
    const [bad, good] = [await store.seed("bad"), await store.seed("good")];
    store.sql("UPDATE secrets SET nonce = randomblob(12) WHERE name = 'bad'");
    const keyManager = store.open();
    await expect(read(keyManager, bad)).rejects.toMatchObject({ code: "SecretTampered" });
    expect(await read(keyManager, good)).toBe(88);
  });

  test("is refused also where the column's type was changed", async () => {
    const store = temporaryStore();
    const ref = await store.seed();
    store.sql(`
      CREATE TABLE loose (id TEXT PRIMARY KEY, name, created_at, nonce, wrapped);
      INSERT INTO loose SELECT id, name, created_at, hex(nonce), NULL FROM secrets;
      DROP TABLE secrets;
      ALTER TABLE loose RENAME TO secrets;
    `);
    await expect(read(store.open(), ref)).rejects.toMatchObject({ code: "SecretTampered" });
  });
});

describe("a changed store", () => {
  test.each([
    ["id", "id = '00000000-0000-4000-8000-000000000000'"],
    ["check value", "check_wrapped = zeroblob(40)"],
    ["nonce", "check_nonce = zeroblob(12)"],
  ])("does not open: %s", async (_, assignment) => {
    const store = temporaryStore();
    const ref = await store.seed();
    store.sql(`UPDATE store SET ${assignment}`);
    await expect(read(store.open(), ref)).rejects.toMatchObject({ code: "KeyEncryptionKeyWrong" });
  });

  test("does not open with another store's identity", async () => {
    const store = temporaryStore();
    const other = temporaryStore();
    const ref = await store.seed();
    await put(other.open({ keyFile: store.keyFile }));
    store.sql(
      `ATTACH '${other.databaseFile}' AS other; DELETE FROM main.store; INSERT INTO main.store SELECT * FROM other.store`,
    );
    await expect(read(store.open(), ref)).rejects.toMatchObject({ code: "SecretTampered" });
  });

  test("does not open without its identity", async () => {
    const store = temporaryStore();
    const ref = await store.seed();
    store.sql("DELETE FROM store");
    await expect(read(store.open(), ref)).rejects.toMatchObject({ code: "KeyStoreUnsafe" });
  });

  test("an older copy of the whole store opens: the store cannot tell", async () => {
    const store = temporaryStore();
    const ref = await store.seed();
    copyFileSync(store.databaseFile, `${store.root}/old`);
    await store.seed();
    copyFileSync(`${store.root}/old`, store.databaseFile);
    expect(await read(store.open(), ref)).toBe(88);
    using database = new DatabaseSync(store.databaseFile);
    expect(database.prepare("SELECT count(*) AS total FROM secrets").get()).toMatchObject({ total: 1 });
  });
});
