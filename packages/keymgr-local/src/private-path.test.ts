import { chmodSync, chownSync, lstatSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { put, temporaryStore } from "../test/temporary-store.ts";
import {
  checkPrivateFile,
  checkProvidedFile,
  checkTrustedDirectory,
  preparePrivateDirectory,
} from "./private-path.ts";

const isRoot = process.getuid?.() === 0;
const SOMEBODY = 12_345;

/** Something of another user's: root can give it away, others find what is root's. */
function foreign(path: string, ofRoot: string): string {
  if (!isRoot) return ofRoot;
  chownSync(path, SOMEBODY, SOMEBODY);
  return path;
}

function unsafe(act: () => void): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  return undefined;
}

describe("the state directory", () => {
  test.each([0o750, 0o705, 0o770, 0o701])(
    "is refused with mode %o, with the command to mend it",
    async (mode) => {
      const store = temporaryStore();
      mkdirSync(store.statePath);
      chmodSync(store.statePath, mode);
      const keyManager = store.open();
      await expect(put(keyManager)).rejects.toMatchObject({
        code: "StateDirectoryUnsafe",
        message: expect.stringContaining(`run: chmod 700 ${store.statePath}`),
      });
      expect(store.files()).toEqual({});
      chmodSync(store.statePath, 0o700);
      await expect(put(keyManager)).resolves.toBeDefined();
    },
  );

  test("is refused when it is another user's", async () => {
    const store = temporaryStore();
    mkdirSync(store.statePath, { mode: 0o700 });
    const path = foreign(store.statePath, "/");
    expect(unsafe(() => preparePrivateDirectory(path))).toMatchObject({
      code: "StateDirectoryUnsafe",
      message: expect.stringContaining(`chown ${process.getuid?.()} ${path}`),
    });
  });

  test("is refused as a link or a file", async () => {
    const store = temporaryStore();
    const [target, link, file] = ["target", "link", "file"].map((name) => join(store.root, name));
    mkdirSync(target ?? "", { mode: 0o700 });
    symlinkSync(target ?? "", link ?? "");
    writeFileSync(file ?? "", "", { mode: 0o600 });
    for (const statePath of [link, file]) {
      await expect(put(store.open({ statePath: statePath ?? "" }))).rejects.toMatchObject({
        code: "StateDirectoryUnsafe",
      });
    }
  });

  test("is made, but its parents are not", async () => {
    const store = temporaryStore();
    const statePath = join(store.root, "no such", "state");
    await expect(put(store.open({ statePath }))).rejects.toMatchObject({
      code: "StateDirectoryUnsafe",
      message: expect.stringContaining(`install -d -m 700 -o ${process.getuid?.()} '${statePath}'`),
    });
  });
});

describe("a file of another user's", () => {
  test("is refused, with the command to mend it", async () => {
    const store = temporaryStore();
    await store.seed();
    const path = foreign(store.databaseFile, "/etc/passwd");
    expect(unsafe(() => checkPrivateFile(path, lstatSync(path)))).toMatchObject({
      code: "KeyStoreUnsafe",
      message: expect.stringContaining(`chown ${process.getuid?.()} ${path}`),
    });
  });

  test.runIf(isRoot)("is refused as database, key, log and credential", async () => {
    for (const name of ["keys.sqlite", "key-encryption-key", "keys.sqlite-wal"]) {
      const store = temporaryStore();
      await store.seed();
      const path = join(store.statePath, name);
      if (name.endsWith("-wal")) writeFileSync(path, "", { mode: 0o600 });
      chownSync(path, SOMEBODY, SOMEBODY);
      await expect(put(store.open())).rejects.toMatchObject({ code: "KeyStoreUnsafe", details: { path } });
      expect(unsafe(() => checkProvidedFile(path, lstatSync(path)))).toMatchObject({
        code: "KeyStoreUnsafe",
      });
    }
  });

  test("may hold a credential when it is root's", () => {
    expect(unsafe(() => checkProvidedFile("/etc/passwd", lstatSync("/etc/passwd")))).toMatchObject({
      message: expect.stringContaining("open to other users"),
    });
    expect(unsafe(() => checkTrustedDirectory("/etc"))).toBeUndefined();
  });
});
