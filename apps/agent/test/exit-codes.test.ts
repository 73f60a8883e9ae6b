import { CATEGORIES, ERROR_CODES, type ErrorCode, LuksmithError } from "@luksmith/core/host";
import { describe, expect, test } from "vitest";
import { EXIT_CODES } from "../src/cli/exit-codes.ts";
import { reportError } from "../src/output/report-error.ts";
import { MemoryIo } from "./memory-io.ts";

const codes = Object.keys(ERROR_CODES) as ErrorCode[];

describe("exit codes", () => {
  test.each(Object.entries(CATEGORIES))("%s", async (category, { exitCode }) => {
    const code = codes.find((each) => ERROR_CODES[each] === category)!;
    const io = new MemoryIo();
    expect(await reportError(io, new LuksmithError(code, "what happened"), false)).toBe(exitCode);
    expect(io.err).toBe(`luksmith: ${code}: what happened\n`);
    expect(EXIT_CODES).toMatch(new RegExp(`^ {2}${exitCode} `, "m"));
  });

  test("--help lists no other", () => {
    const listed = [...EXIT_CODES.matchAll(/^ {2}(\d+)/gm)].map(([, code]) => Number(code));
    const known = Object.values(CATEGORIES).map(({ exitCode }) => exitCode);
    expect(new Set(listed)).toEqual(new Set([0, ...known]));
  });

  test("what nobody threw on purpose is an internal error, its stack only in the debug log", async () => {
    const io = new MemoryIo();
    const logged: object[] = [];
    const log = { debug: (fields: object) => void logged.push(fields) } as never;
    expect(await reportError(io, new TypeError("oops"), true, log)).toBe(70);
    expect(JSON.parse(io.err)).toMatchObject({ error: { code: "InternalError", message: "oops" } });
    expect(io.err).not.toContain("at ");
    expect(logged).toEqual([{ err: expect.any(TypeError) }]);
  });

  test("details with byte counts are written", async () => {
    const io = new MemoryIo();
    await reportError(io, new LuksmithError("NoSpace", "full", { details: { free: 1n } }), true);
    expect(JSON.parse(io.err)).toMatchObject({ error: { retryable: true, details: { free: "1" } } });
  });
});
