import {
  chmodSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { describe, expect, test } from "vitest";
import { put, read, temporaryStore, type TemporaryStore } from "../test/temporary-store.ts";

/** Damages a store with secrets, then expects every use of it to be refused and the file to stay as it is. */
async function expectUntouched(damage: (store: TemporaryStore) => void, message: RegExp): Promise<void> {
  const store = temporaryStore();
  const ref = await store.seed();
  for (let i = 0; i < 40; i++) await store.seed(`disk ${i}`);
  damage(store);
  const before = readFileSync(store.databaseFile);
  const keyManager = store.open();
  await expect(read(keyManager, ref)).rejects.toMatchObject({ code: "KeyStoreUnsafe" });
  await expect(put(keyManager)).rejects.toMatchObject({
    code: "KeyStoreUnsafe",
    message: expect.stringMatching(message),
  });
  await keyManager.close();
  expect(readFileSync(store.databaseFile)).toEqual(before);
}

describe("a damaged store", () => {
  test.each<[string, (store: TemporaryStore) => void, RegExp]>([
    [
      "not a database",
      ({ databaseFile }) => writeFileSync(databaseFile, "hello ".repeat(2000)),
      /not a database/,
    ],
    ["empty", ({ databaseFile }) => truncateSync(databaseFile, 0), /it is empty/],
    ["cut in the header", ({ databaseFile }) => truncateSync(databaseFile, 50), /damaged/],
    ["cut after a page", ({ databaseFile }) => truncateSync(databaseFile, 4096), /malformed/],
    ["cut in a page", ({ databaseFile }) => truncateSync(databaseFile, 9000), /malformed/],
    ["another program's", (store) => store.sql("PRAGMA application_id = 1"), /not a Luksmith key store/],
    ["of nobody", (store) => store.sql("PRAGMA application_id = 0"), /not a Luksmith key store/],
    ["from the future", (store) => store.sql("PRAGMA user_version = 2"), /has version 2 .* knows 1/],
    ["from before versions", (store) => store.sql("PRAGMA user_version = 0"), /has version 0/],
    ["without its table", (store) => store.sql("DROP TABLE secrets"), /no such table/],
    [
      "with other columns",
      (store) => store.sql("ALTER TABLE secrets RENAME wrapped TO other"),
      /no column named wrapped/,
    ],
  ])("is refused and left alone: %s", async (_, damage, message) => {
    expect.hasAssertions();
    await expectUntouched(damage, message);
  });

  test("is refused when a page with secrets is overwritten", async () => {
    const store = temporaryStore();
    const refs = [];
    for (let i = 0; i < 40; i++) refs.push(await store.seed(`disk ${i}`));
    const bytes = readFileSync(store.databaseFile);
    bytes.fill(0xff, 3 * 4096);
    writeFileSync(store.databaseFile, bytes);
    const keyManager = store.open();
    const results = await Promise.allSettled(refs.map((ref) => read(keyManager, ref)));
    const codes = results.flatMap((result) => (result.status === "rejected" ? [result.reason] : []));
    expect(codes.length).toBeGreaterThan(0);
    for (const error of codes)
      expect(error).toMatchObject({ code: "KeyStoreUnsafe", message: expect.stringContaining("backup") });
  });

  test("does not get a lost store's log replayed into a new one", async () => {
    const store = temporaryStore();
    const keyManager = store.open();
    await put(keyManager);
    const log = readFileSync(`${store.databaseFile}-wal`);
    await keyManager.close();
    rmSync(store.databaseFile);
    writeFileSync(`${store.databaseFile}-wal`, log, { mode: 0o600 });
    await expect(put(store.open())).rejects.toMatchObject({
      code: "KeyStoreUnsafe",
      message: expect.stringContaining("keys.sqlite-wal is still there"),
    });
    expect(Object.keys(store.files()).toSorted()).toEqual(["key-encryption-key", "keys.sqlite-wal"]);
  });
});

describe("an exposed store", () => {
  test.each([0o640, 0o604, 0o620, 0o700 | 0o001])(
    "is refused with mode %o, with the command to mend it",
    async (mode) => {
      for (const suffix of ["", "-wal"]) {
        const store = temporaryStore();
        const ref = await store.seed();
        const file = store.databaseFile + suffix;
        if (suffix !== "") writeFileSync(file, "");
        chmodSync(file, mode);
        const keyManager = store.open();
        await expect(read(keyManager, ref)).rejects.toMatchObject({
          code: "KeyStoreUnsafe",
          message: expect.stringContaining(`run: chmod 600 ${file}`),
        });
        chmodSync(file, 0o600);
        expect(await read(keyManager, ref)).toBe(88);
      }
    },
  );

  test.each(["", "-wal", "-shm", "-journal"])(
    "is refused as a symbolic link: keys.sqlite%s",
    async (suffix) => {
      const store = temporaryStore();
      const ref = await store.seed();
      const file = store.databaseFile + suffix;
      if (suffix === "") renameSync(file, `${store.root}/elsewhere`);
      symlinkSync(`${store.root}/elsewhere`, file);
      await expect(read(store.open(), ref)).rejects.toMatchObject({
        code: "KeyStoreUnsafe",
        message: expect.stringContaining("symbolic link"),
      });
    },
  );
});
