import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { StateDatabase } from "../../journal/state-database.ts";
import { type KeyedRequest, KeptAnswers } from "./kept-answers.ts";

const DAY_MS = 24 * 60 * 60 * 1000;

let path: string;
let database: StateDatabase;
let answers: KeptAnswers;
beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), "luksmith-answers-"));
  database = StateDatabase.open(path, "write")!;
  answers = new KeptAnswers(database);
});
afterEach(() => {
  database[Symbol.dispose]();
  rmSync(path, { recursive: true });
});

const request = (key: string): KeyedRequest => ({
  key,
  fingerprint: "f",
  task: `task-${key}`,
  kind: "create",
  requestId: `req-${key}`,
  subject: "s",
  disk: undefined,
});

test("an answer is found by its key and its task, also by the next process", () => {
  answers.begin(request("a"));
  expect(answers.find("a")).toMatchObject({ ...request("a"), answer: undefined });
  answers.answer("a", { uuid: "s" });
  database[Symbol.dispose]();
  database = StateDatabase.open(path, "write")!;
  answers = new KeptAnswers(database);
  expect(answers.find("a")?.answer).toEqual({ document: { uuid: "s" } });
  expect(answers.ofTask("task-a")?.key).toBe("a");
  expect(answers.find("b") ?? answers.ofTask("a")).toBeUndefined();
});

test("a forgotten key is free, one in use is not", () => {
  answers.begin(request("a"));
  expect(() => answers.begin(request("a"))).toThrow("UNIQUE");
  answers.forget("a");
  expect(answers.find("a")).toBeUndefined();
  answers.begin(request("a"));
});

test("keys are remembered for a day", () => {
  const now = Date.parse("2026-01-02T00:00:00Z");
  answers.begin(request("old"), now - DAY_MS - 1);
  answers.begin(request("young"), now - DAY_MS + 1);
  answers.begin(request("new"), now);
  expect([answers.find("old"), answers.find("young")?.key]).toEqual([undefined, "young"]);
});
