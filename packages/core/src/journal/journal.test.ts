import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Journal } from "./journal.ts";
import { StateDatabase } from "./state-database.ts";

let folder: string;
let database: StateDatabase;

const open = (): StateDatabase => {
  const opened = StateDatabase.open(folder, "write");
  if (!opened) throw new Error("a database opened for writing exists");
  return opened;
};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "luksmith-journal-"));
  database = open();
});

afterEach(() => {
  database[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

describe("Journal", () => {
  it("has what was begun, with its steps in order, after the process is gone", () => {
    const operation = new Journal(database).begin("create", "subject", "req-1", { a: 1 }, [
      { kind: "secret", data: { name: "n" } },
    ]);
    operation.intend({ kind: "image", data: { path: "/x" } }, { kind: "image", data: { path: "/y" } });
    database[Symbol.dispose]();
    database = open();
    expect(new Journal(database).unfinished()).toMatchObject([
      {
        id: operation.id,
        kind: "create",
        subject: "subject",
        state: "running",
        requestId: "req-1",
        data: { a: 1 },
        steps: [
          { kind: "secret", data: { name: "n" } },
          { kind: "image", data: { path: "/x" } },
          { kind: "image", data: { path: "/y" } },
        ],
      },
    ]);
  });

  it("goes on numbering after a resume", () => {
    const journal = new Journal(database);
    journal.begin("create", "subject", "req-1", {}, [{ kind: "one", data: {} }]);
    const [found] = journal.unfinished();
    if (!found) throw new Error("it was begun");
    journal.resume(found).intend({ kind: "two", data: {} });
    expect(journal.unfinished()[0]?.steps.map(({ kind }) => kind)).toEqual(["one", "two"]);
  });

  it("ends an operation and its change together, or neither", () => {
    const journal = new Journal(database);
    const operation = journal.begin("delete", "subject", "req-1", {});
    expect(() =>
      operation.end("done", () => {
        throw new Error("the change failed");
      }),
    ).toThrow();
    expect(journal.unfinished()).toHaveLength(1);
    operation.end("done");
    expect(journal.unfinished()).toHaveLength(0);
  });

  it("tells its listener of each durable step, in order", () => {
    const events: string[] = [];
    const operation = new Journal(database, ({ event }) => events.push(event)).begin(
      "create",
      "subject",
      "req-1",
      {},
    );
    operation.intend({ kind: "image", data: {} });
    operation.undoing("why");
    operation.end("undone");
    expect(events).toEqual(["begin", "image", "undoing", "undone"]);
  });

  it("keeps a bounded history", () => {
    const journal = new Journal(database, undefined, 20);
    for (let i = 0; i < 50; i++) journal.begin("create", `s${i}`, "req", {}).end("done");
    const [count] = database.all("SELECT count(*) AS n FROM operation");
    expect(Number(count?.["n"])).toBeLessThanOrEqual(21);
  });
});
