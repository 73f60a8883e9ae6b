import { LuksError } from "@luksmith/luks";
import { describe, expect, it } from "vitest";
import { CATEGORIES, ERROR_CODES, type ErrorCode } from "./codes.ts";
import { ioError, operationError } from "./io-error.ts";
import { PluginError } from "./plugin-error.ts";
import { errorToJson, exitCodeOf, isLuksmithError, LuksmithError } from "./luksmith-error.ts";

const systemError = (code: string): Error => Object.assign(new Error(`${code}: no`), { code });

describe("LuksmithError", () => {
  it.each(Object.keys(ERROR_CODES) as ErrorCode[])("%s has its category's exit code", (code) => {
    const error = new LuksmithError(code, "what happened");
    expect(exitCodeOf(error)).toBe(CATEGORIES[ERROR_CODES[code]].exitCode);
  });

  it("is recognised across package copies, as a LUKS error is", () => {
    expect(isLuksmithError(new LuksError("LuksPassphraseRefused", "no"))).toBe(true);
    expect(isLuksmithError(new Error("no"))).toBe(false);
    expect(exitCodeOf(new LuksError("LuksPassphraseRefused", "no"))).toBe(77);
  });

  it("is recognised when a plugin from elsewhere raises one with a code of its own", () => {
    const error = new PluginError("ACME_VOLUME_GONE", "not-found", "volume 7 is gone");
    expect(isLuksmithError(error)).toBe(true);
    expect(exitCodeOf(error)).toBe(66);
    expect(errorToJson(error)).toMatchObject({ code: "ACME_VOLUME_GONE", category: "not-found" });
  });

  it("is our bug when it is none of ours", () => {
    expect(exitCodeOf(new TypeError("x is not a function"))).toBe(70);
    expect(errorToJson(new TypeError("x"))).toMatchObject({ code: "InternalError", category: "internal" });
  });

  it("is retryable by default only where waiting may help", () => {
    expect(new LuksmithError("KeyManagerUnavailable", "away").retryable).toBe(true);
    expect(new LuksmithError("InvalidRequest", "bad").retryable).toBe(false);
  });
});

describe("ioError", () => {
  it.each([
    ["ENOSPC", "NoSpace"],
    ["EDQUOT", "NoSpace"],
    ["EFBIG", "NoSpace"],
    ["EACCES", "PermissionDenied"],
    ["EROFS", "PermissionDenied"],
    ["EIO", "IoError"],
  ])("turns %s into %s and says what was being done", (errno, code) => {
    const error = ioError(systemError(errno), "writing disk");
    expect(error).toMatchObject({ code, details: { errno } });
    expect(error.message).toMatch(/^writing disk failed: /);
  });

  it("lets our own errors pass", () => {
    const error = new LuksmithError("DiskExists", "there");
    expect(ioError(error, "x")).toBe(error);
  });

  it("calls what failed under a cancelled operation Cancelled", () => {
    expect(operationError(systemError("EIO"), AbortSignal.abort(), "x")).toMatchObject({ code: "Cancelled" });
    expect(operationError(systemError("EIO"), new AbortController().signal, "x")).toMatchObject({
      code: "IoError",
    });
  });
});
