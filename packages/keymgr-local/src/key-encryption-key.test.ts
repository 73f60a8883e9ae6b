import { randomBytes } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { testContext } from "@luksmith/testkit";
import { describe, expect, test } from "vitest";
import { put, read, temporaryStore, type TemporaryStore } from "../test/temporary-store.ts";
import { CREDENTIAL_NAME } from "./key-encryption-key.ts";

function writeCredential(store: TemporaryStore, key: Uint8Array = randomBytes(32), mode = 0o400): string {
  const directory = join(store.root, "credentials");
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  writeFileSync(join(directory, CREDENTIAL_NAME), key, { mode });
  return directory;
}

describe("the key file", () => {
  test("is made once and never changed", async () => {
    const store = temporaryStore();
    await store.seed();
    const key = readFileSync(store.keyFile);
    expect(key).toHaveLength(32);
    await store.seed();
    rmSync(store.databaseFile);
    await store.seed();
    expect(readFileSync(store.keyFile)).toEqual(key);
  });

  test("may be elsewhere", async () => {
    const store = temporaryStore();
    const keyFile = join(store.root, "key");
    const ref = await put(store.open({ keyFile }));
    expect(existsSync(store.keyFile)).toBe(false);
    expect(await read(store.open({ keyFile }), ref)).toBe(88);
  });

  test("is not made anew for a store that has secrets", async () => {
    const store = temporaryStore();
    await store.seed();
    const ref = await store.seed();
    rmSync(store.keyFile);
    const keyManager = store.open();
    await expect(read(keyManager, ref)).rejects.toMatchObject({
      code: "KeyEncryptionKeyMissing",
      message: expect.stringMatching(
        /key-encryption-key .*\(2 secrets\) is missing; put it back from your backup/,
      ),
    });
    await expect(put(keyManager)).rejects.toMatchObject({
      code: "KeyEncryptionKeyMissing",
      details: { secrets: 2 },
    });
    expect(Object.keys(store.files())).toEqual(["keys.sqlite"]);
  });

  test("is not made anew for an empty store either, but the way out is named", async () => {
    const store = temporaryStore();
    const keyManager = store.open();
    await keyManager.delete(await put(keyManager), testContext());
    await keyManager.close();
    rmSync(store.keyFile);
    await expect(put(store.open())).rejects.toMatchObject({
      code: "KeyEncryptionKeyMissing",
      message: expect.stringContaining(`or remove ${store.databaseFile}, which holds no secrets`),
    });
  });

  test("is told apart from another store's", async () => {
    const store = temporaryStore();
    const ref = await store.seed();
    const right = readFileSync(store.keyFile);
    const before = store.files()["keys.sqlite"];
    writeFileSync(store.keyFile, randomBytes(32));
    const keyManager = store.open();
    await expect(read(keyManager, ref)).rejects.toMatchObject({
      code: "KeyEncryptionKeyWrong",
      message: expect.stringContaining(store.keyFile),
    });
    await expect(put(keyManager)).rejects.toMatchObject({ code: "KeyEncryptionKeyWrong" });
    expect(store.files()["keys.sqlite"]).toEqual(before);
    writeFileSync(store.keyFile, right);
    expect(await read(keyManager, ref)).toBe(88);
  });

  test.each([0, 31, 33, 44, 64])("is refused with %i bytes", async (length) => {
    const store = temporaryStore();
    mkdirSync(store.statePath, { mode: 0o700 });
    writeFileSync(store.keyFile, randomBytes(length), { mode: 0o600 });
    await expect(put(store.open())).rejects.toMatchObject({
      code: "KeyEncryptionKeyWrong",
      message: expect.stringContaining("exactly 32 bytes"),
    });
    expect(existsSync(store.databaseFile)).toBe(false);
  });

  test.each([0o640, 0o604, 0o610])("is refused with mode %o, with the command to mend it", async (mode) => {
    const store = temporaryStore();
    const ref = await store.seed();
    chmodSync(store.keyFile, mode);
    await expect(read(store.open(), ref)).rejects.toMatchObject({
      code: "KeyStoreUnsafe",
      message: expect.stringContaining(`run: chmod 600 ${store.keyFile}`),
    });
  });

  test("is refused as a symbolic link, a dangling one included", async () => {
    const store = temporaryStore();
    const ref = await store.seed();
    const elsewhere = join(store.root, "key");
    renameSync(store.keyFile, elsewhere);
    symlinkSync(elsewhere, store.keyFile);
    await expect(read(store.open(), ref)).rejects.toMatchObject({ code: "KeyStoreUnsafe" });
    rmSync(elsewhere);
    rmSync(store.databaseFile);
    await expect(put(store.open())).rejects.toMatchObject({ code: "KeyStoreUnsafe" });
    expect(existsSync(elsewhere)).toBe(false);
  });

  test("is refused as a directory", async () => {
    const store = temporaryStore();
    mkdirSync(store.keyFile, { recursive: true, mode: 0o700 });
    await expect(put(store.open())).rejects.toMatchObject({ code: "KeyStoreUnsafe" });
  });

  test("is not made where others could exchange it", async () => {
    const store = temporaryStore();
    const shared = join(store.root, "shared");
    mkdirSync(shared);
    chmodSync(shared, 0o777);
    const keyManager = store.open({ keyFile: join(shared, "key") });
    await expect(put(keyManager)).rejects.toMatchObject({
      code: "KeyStoreUnsafe",
      message: expect.stringContaining(`chmod go-w ${shared}`),
    });
    await expect(put(store.open({ keyFile: join(store.root, "none", "key") }))).rejects.toMatchObject({
      code: "KeyStoreUnsafe",
      message: expect.stringContaining("does not exist"),
    });
  });
});

describe("the systemd credential", () => {
  test("goes before the key file, which is not made", async () => {
    const store = temporaryStore();
    const credentialsDirectory = writeCredential(store);
    const ref = await put(store.open({ credentialsDirectory }));
    expect(existsSync(store.keyFile)).toBe(false);
    expect(await read(store.open({ credentialsDirectory }), ref)).toBe(88);
    await expect(read(store.open(), ref)).rejects.toMatchObject({ code: "KeyEncryptionKeyMissing" });
    expect(existsSync(store.keyFile)).toBe(false);
  });

  test("is not fallen back from when it is wrong", async () => {
    const store = temporaryStore();
    const ref = await store.seed();
    const credentialsDirectory = writeCredential(store);
    await expect(read(store.open({ credentialsDirectory }), ref)).rejects.toMatchObject({
      code: "KeyEncryptionKeyWrong",
      message: expect.stringContaining(CREDENTIAL_NAME),
    });
  });

  test("can take over from the key file", async () => {
    const store = temporaryStore();
    const ref = await store.seed();
    const credentialsDirectory = writeCredential(store, readFileSync(store.keyFile));
    rmSync(store.keyFile);
    expect(await read(store.open({ credentialsDirectory }), ref)).toBe(88);
  });

  test("may be readable by a group, as systemd's access lists show, and by nobody else", async () => {
    const store = temporaryStore();
    const credentialsDirectory = writeCredential(store, randomBytes(32), 0o440);
    const ref = await put(store.open({ credentialsDirectory }));
    chmodSync(join(credentialsDirectory, CREDENTIAL_NAME), 0o444);
    await expect(read(store.open({ credentialsDirectory }), ref)).rejects.toMatchObject({
      code: "KeyStoreUnsafe",
    });
  });

  test.each(["", "credentials"])("is not looked for in the directory %j", async (credentialsDirectory) => {
    const store = temporaryStore();
    const before = process.cwd();
    writeCredential(store);
    process.chdir(credentialsDirectory === "" ? join(store.root, "credentials") : store.root);
    try {
      await put(store.open({ credentialsDirectory }));
    } finally {
      process.chdir(before);
    }
    expect(existsSync(store.keyFile)).toBe(true);
  });

  test("need not be there", async () => {
    const store = temporaryStore();
    const credentialsDirectory = join(store.root, "none");
    const ref = await put(store.open({ credentialsDirectory }));
    expect(await read(store.open(), ref)).toBe(88);
  });
});
