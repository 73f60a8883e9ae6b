import { DatabaseSync } from "node:sqlite";
import { LuksmithError } from "@luksmith/core";
import { describe, expect, test } from "vitest";
import { storeError } from "./store-error.ts";

function thrownBy(act: () => void): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: told so`), { code, errno: -1, syscall: "write" });
}

describe("store errors", () => {
  test("a full disk, as SQLite says it", () => {
    using database = new DatabaseSync(":memory:");
    database.exec("CREATE TABLE t (b); PRAGMA max_page_count = 2");
    const full = thrownBy(() => database.exec("INSERT INTO t VALUES (zeroblob(100000))"));
    expect(storeError(full, "/p")).toMatchObject({ code: "NoSpace", retryable: true, cause: full });
  });

  test.each([
    ["ENOSPC", "NoSpace"],
    ["EDQUOT", "NoSpace"],
    ["EACCES", "PermissionDenied"],
    ["EPERM", "PermissionDenied"],
    ["EROFS", "IoError"],
    ["EIO", "IoError"],
    ["EMFILE", "IoError"],
  ])("%s is %s", (errno, code) => {
    expect(storeError(systemError(errno), "/p")).toMatchObject({ code, details: { path: "/p" } });
  });

  test.each([
    [1, "KeyStoreUnsafe"],
    [3, "PermissionDenied"],
    [5, "KeyManagerUnavailable"],
    [517, "KeyManagerUnavailable"],
    [6, "KeyManagerUnavailable"],
    [8, "PermissionDenied"],
    [10, "IoError"],
    [778, "IoError"],
    [11, "KeyStoreUnsafe"],
    [267, "KeyStoreUnsafe"],
    [13, "NoSpace"],
    [4874, "NoSpace"],
    [14, "IoError"],
    [26, "KeyStoreUnsafe"],
  ])("SQLite's %i is %s", (errcode, code) => {
    const error = Object.assign(new Error("told so"), { code: "ERR_SQLITE_ERROR", errcode });
    expect(storeError(error, "/p")).toMatchObject({ code, cause: error });
  });

  test("passes on what it does not know and what is ours", () => {
    for (const error of [new TypeError("a bug"), new LuksmithError("Cancelled", "stop"), "text"]) {
      expect(storeError(error, "/p")).toBe(error);
    }
  });
});
