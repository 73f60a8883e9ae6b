import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { AuditFixture } from "./audit-fixture.ts";
import { decodeLine } from "./audit-line.ts";
import { readHead, readPending } from "./audit-state.ts";
import { segmentFiles } from "./segment-file.ts";

const LOOP = fileURLToPath(new URL("audit-loop.ts", import.meta.url));
const read = (secret: string) => ({ event: "key.read", outcome: "ok", secret });

function startLoop(fixture: AuditFixture, name: string, most: number) {
  const args = ["--conditions=luksmith-source", LOOP, fixture.folder, name, String(most)];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const output = text(child.stdout);
  const ended = once(child, "close");
  return {
    child,
    started: once(child.stdout, "data"),
    promised: async () => {
      await ended;
      return (await output).split("\n").slice(0, -1);
    },
  };
}

const secretsIn = (fixture: AuditFixture): readonly string[] =>
  fixture.files.flatMap((_, file) => fixture.lines(file)).map((line) => decodeLine(line)?.line.secret ?? "");

describe("a process that dies", () => {
  test("at any instant leaves what it promised, and nothing half", async () => {
    using fixture = new AuditFixture();
    const promised: string[] = [];
    for (const [round, waitMs] of [0, 5, 23, 60].entries()) {
      const loop = startLoop(fixture, `round${round}`, 1_000_000);
      await loop.started;
      await new Promise((resolve) => setTimeout(resolve, waitMs));
      loop.child.kill("SIGKILL");
      promised.push(...(await loop.promised()));
      expect(fixture.errors()).toEqual([]);
    }
    await fixture.log().append(read("after"));
    expect(fixture.errors()).toEqual([]);
    expect(secretsIn(fixture)).toEqual(expect.arrayContaining(promised));
  });

  test.each([
    ["between the database and the file", (_line: string) => ""],
    ["in the middle of a line", (line: string) => line.slice(0, 40)],
    [
      "and the power with it: blocks that were never written are zeros",
      (line: string) => "\0".repeat(line.length + 1),
    ],
  ])("%s: the line is whole for who verifies, and after the next", async (_, remains) => {
    using fixture = new AuditFixture();
    await fixture.filled(4);
    const whole = readFileSync(fixture.files.at(0)!, "utf8");
    const last = fixture.lines().at(-1)!;
    writeFileSync(fixture.files.at(0)!, whole.slice(0, -last.length - 1) + remains(last));
    expect(fixture.notes()).toEqual(["unfinished"]);
    expect(fixture.errors()).toEqual([]);
    await fixture.log().append(read("after"));
    expect(readFileSync(fixture.files.at(0)!, "utf8").startsWith(whole)).toBe(true);
    expect(fixture.verify()).toMatchObject({ ok: true, lines: 5, findings: [] });
  });
});

describe("several processes", () => {
  test("write one log", async () => {
    using fixture = new AuditFixture();
    const loops = ["a", "b", "c"].map((name) => startLoop(fixture, name, 20));
    const promised = (await Promise.all(loops.map((loop) => loop.promised()))).flat();
    expect(promised).toHaveLength(60);
    expect(fixture.errors()).toEqual([]);
    const there = secretsIn(fixture).filter((secret) => secret !== "");
    expect(there.toSorted()).toEqual(promised.toSorted());
    expect(fixture.files.length).toBeGreaterThan(1);
  });

  test("share a sync for what comes together", async () => {
    using fixture = new AuditFixture();
    const log = fixture.log();
    let transactions = 0;
    const { database } = fixture;
    const transaction = database.transaction.bind(database);
    database.transaction = (work) => (transactions++, transaction(work));
    await Promise.all(Array.from({ length: 50 }, (_, i) => log.append(read(String(i)))));
    expect(transactions).toBe(1);
    expect(fixture.verify()).toMatchObject({ ok: true, lines: 51 });
  });
});

describe("rotation", () => {
  test("begins another file when one is full, which names the last line of the one before", async () => {
    using fixture = new AuditFixture();
    await fixture.filled(12, { segmentBytes: 1000 });
    expect(fixture.files.length).toBeGreaterThan(2);
    const before = decodeLine(fixture.lines(0).at(-1)!)!.line;
    const first = decodeLine(fixture.lines(1).at(0)!)!.line;
    expect(first).toMatchObject({
      event: "audit.segment",
      prev: before.hash,
      details: { reason: "full", seq: before.seq },
    });
    expect(fixture.verify().findings).toEqual([]);
    expect(statSync(fixture.files.at(0)!).mode & 0o777).toBe(0o600);
    expect(statSync(fixture.directory).mode & 0o777).toBe(0o700);
  });

  test.each<[string, (path: string) => void]>([
    ["renames", (path) => renameSync(path, `${path}.1`)],
    ["copies and truncates", (path) => (copyFileSync(path, `${path}.1`), truncateSync(path))],
  ])("by somebody who %s the file loses nothing, and is told", async (_, rotate) => {
    using fixture = new AuditFixture();
    const log = await fixture.filled(5);
    rotate(fixture.files.at(0)!);
    await log.append(read("after"));
    expect(fixture.errors()).toEqual([]);
    expect(fixture.notes()).toContain("moved");
    expect(new Set(secretsIn(fixture))).toContain("after");
    // Also once the lines that were in both files are synced.
    fixture.forgetPending();
    for (let i = 0; i < 3; i++) await fixture.log().append(read(`later-${i}`));
    expect(fixture.errors()).toEqual([]);
  });

  test("that takes away lines which no file has keeps them", async () => {
    using fixture = new AuditFixture();
    const log = await fixture.filled(5);
    rmSync(fixture.files.at(0)!);
    await log.append(read("after"));
    expect(fixture.errors()).toEqual([]);
    expect(fixture.verify().lines).toBe(7);
  });
});

test("the database holds no more lines than one sync is for", async () => {
  using fixture = new AuditFixture();
  const log = fixture.log();
  for (let i = 0; i < 6; i++) await log.append(...Array.from({ length: 100 }, (_, at) => read(`${i}-${at}`)));
  expect(readPending(fixture.database).length).toBeLessThan(400);
  expect(fixture.verify()).toMatchObject({ ok: true, lines: 601, findings: [] });
});

describe("a log that cannot be written", () => {
  const blocked = (fixture: AuditFixture): void =>
    writeFileSync(fixture.directory, "a file where the directory should be");

  test("stops what it should tell", async () => {
    using fixture = new AuditFixture();
    blocked(fixture);
    await expect(fixture.log().append(read("a"))).rejects.toMatchObject({
      code: "AuditLogUnwritable",
      retryable: true,
      message: expect.stringContaining(fixture.directory),
    });
  });

  test("does not stop, where that is asked for, and says what it lost", async () => {
    using fixture = new AuditFixture();
    const log = fixture.log({ failure: "continue" });
    await log.append(read("first"));
    const transaction = fixture.database.transaction.bind(fixture.database);
    fixture.database.transaction = () => {
      throw new Error("disk full");
    };
    await log.append(read("lost-1"), read("lost-2"));
    fixture.database.transaction = transaction;
    await log.append(read("last"));
    const events = fixture.lines().map((line) => decodeLine(line)!.line);
    expect(events.map(({ event }) => event)).toEqual(["audit.began", "key.read", "audit.lost", "key.read"]);
    expect(events.at(2)!.details).toEqual({ lines: 2 });
    expect(fixture.errors()).toEqual(["lost"]);
  });
});

test("a database that is lost begins another log beside the old files", async () => {
  using fixture = new AuditFixture();
  await fixture.filled(3);
  fixture.database.run("DELETE FROM audit_head");
  fixture.forgetPending();
  await fixture.log().append(read("after"));
  expect(segmentFiles(fixture.directory)).toHaveLength(2);
  expect(fixture.errors()).toEqual(["other-log", "other-log", "other-log"]);
});

test("what secret reveal noted before there was a log comes first in it", async () => {
  using fixture = new AuditFixture();
  fixture.database.run(
    "INSERT INTO audit (at, who, action, subject, request_id) VALUES ('2026-01-01', 'alice (uid 0)', 'secret.reveal', 's', 'req-1')",
  );
  await fixture.log().append(read("after"));
  expect(decodeLine(fixture.lines().at(1)!)!.line).toMatchObject({
    event: "key.read",
    secret: "s",
    request: "req-1",
    origin: { who: "alice (uid 0)" },
    details: { at: "2026-01-01" },
  });
  expect(fixture.database.all("SELECT * FROM audit")).toEqual([]);
});

test("sha256sum can check a line", async () => {
  using fixture = new AuditFixture();
  await fixture.filled(2);
  const script = String.raw`sed -n 2p "$1" | sed 's/,"hash":"[0-9a-f]*"}$//' | tr -d '\n' | sha256sum | cut -d' ' -f1`;
  const child = spawn("sh", ["-c", script, "sh", fixture.files.at(0)!], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  expect((await text(child.stdout)).trim()).toBe(readHead(fixture.database)!.hash);
  expect(existsSync(join(fixture.folder, "audit"))).toBe(true);
  chmodSync(fixture.files.at(0)!, 0o600);
});
