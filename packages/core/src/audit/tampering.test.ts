import { renameSync, rmSync, truncateSync, appendFileSync, readFileSync, statSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { AuditFixture } from "./audit-fixture.ts";
import { decodeLine, encodeLine } from "./audit-line.ts";
import { readHead } from "./audit-state.ts";

/** A line changed as somebody would who knows the format: with a hash that fits its new text. */
function rehashed(text: string, change: (line: Record<string, unknown>) => void): string {
  const decoded = decodeLine(text);
  if (!decoded) throw new Error("no line");
  const line: Record<string, unknown> = { ...decoded.line };
  delete line["v"];
  delete line["hash"];
  change(line);
  return encodeLine(line as never, line as never).line;
}

/** Makes all lines from `from` on follow each other again. */
function rechained(lines: readonly string[], from: number): string[] {
  const made = lines.slice(0, from);
  for (const text of lines.slice(from)) {
    const prev = decodeLine(made.at(-1) ?? "")?.line.hash;
    made.push(rehashed(text, (line) => void (line["prev"] = prev)));
  }
  return made;
}

/** Ten lines, written long ago: nothing of them is in the database but the head. */
async function tenLines(): Promise<AuditFixture> {
  const fixture = new AuditFixture();
  await fixture.filled(10);
  fixture.forgetPending();
  expect(fixture.verify()).toMatchObject({ ok: true, lines: 10, findings: [] });
  return fixture;
}

/** Three files of the same log. */
async function threeFiles(): Promise<AuditFixture> {
  const fixture = new AuditFixture();
  await fixture.filled(13, { segmentBytes: 1500 });
  expect(fixture.files.length).toBeGreaterThanOrEqual(3);
  fixture.forgetPending();
  expect(fixture.verify()).toMatchObject({ ok: true, findings: [] });
  return fixture;
}

const swap = (lines: string[], a: number, b: number): string[] => {
  const made = [...lines];
  [made[a], made[b]] = [made[b] ?? "", made[a] ?? ""];
  return made;
};

describe("what is done to one file is found:", () => {
  test.each<[string, (lines: string[]) => string[], readonly string[]]>([
    ["an edit", (lines) => lines.with(4, lines.at(4)!.replace("secret-4", "secret-x")), ["altered"]],
    [
      "an edit with a hash that fits",
      (lines) =>
        lines.with(
          4,
          rehashed(lines.at(4)!, (line) => void (line["secret"] = "x")),
        ),
      ["broken-chain"],
    ],
    [
      "an edit after which the chain was made to fit",
      (lines) =>
        rechained(
          lines.with(
            4,
            rehashed(lines.at(4)!, (line) => void (line["secret"] = "x")),
          ),
          5,
        ),
      ["head-differs"],
    ],
    ["a deletion", (lines) => lines.toSpliced(4, 1), ["missing"]],
    [
      "a deletion after which the rest was numbered anew",
      (lines) => {
        const rest = lines
          .toSpliced(4, 1)
          .map((text, at) => rehashed(text, (line) => void (line["seq"] = at + 1)));
        return rechained(rest, 1);
      },
      ["end-missing", "head-differs"],
    ],
    ["two lines in another order", (lines) => swap(lines, 4, 5), ["missing", "out-of-order", "missing"]],
    [
      "an insertion",
      (lines) =>
        lines.toSpliced(
          5,
          0,
          rehashed(lines.at(4)!, (line) => void (line["secret"] = "planted")),
        ),
      ["forked"],
    ],
    ["a line that is there twice", (lines) => lines.toSpliced(5, 0, lines.at(4)!), ["duplicate"]],
    ["a cut at the end", (lines) => lines.slice(0, 7), ["end-missing", "head-differs"]],
    [
      "a line at the end that Luksmith did not write",
      (lines) => {
        const last = decodeLine(lines.at(-1)!)!.line;
        return [
          ...lines,
          rehashed(lines.at(-1)!, (line) => Object.assign(line, { seq: last.seq + 1, prev: last.hash })),
        ];
      },
      ["beyond-head"],
    ],
    ["a line that is none", (lines) => lines.toSpliced(5, 0, "all is well"), ["not-a-line"]],
    ["everything removed", () => [], ["no-log", "head-differs"]],
  ])("%s", async (_, tamper, codes) => {
    using fixture = await tenLines();
    fixture.write(tamper(fixture.lines()));
    expect(fixture.errors()).toEqual(codes);
  });

  test("a last line without its end", async () => {
    using fixture = await tenLines();
    truncateSync(fixture.files.at(0)!, statSync(fixture.files.at(0)!).size - 9);
    expect(fixture.errors()).toEqual(["torn-line", "end-missing", "head-differs"]);
  });
});

describe("what is done to files is found:", () => {
  test("one in the middle is gone", async () => {
    using fixture = await threeFiles();
    rmSync(fixture.files.at(1)!);
    expect(fixture.errors()).toEqual(["missing"]);
  });

  test("the first is gone", async () => {
    using fixture = await threeFiles();
    rmSync(fixture.files.at(0)!);
    expect(fixture.errors()).toEqual(["beginning-missing"]);
    expect(fixture.errors({ partial: true })).toEqual([]);
  });

  test("the last is gone", async () => {
    using fixture = await threeFiles();
    rmSync(fixture.files.at(-1)!);
    expect(fixture.errors()).toEqual(["end-missing", "head-differs"]);
  });

  test("one was replaced by a made-up one", async () => {
    using fixture = await threeFiles();
    const made = fixture.lines(1).map((text) => rehashed(text, (line) => void (line["outcome"] = "denied")));
    fixture.write(rechained(made, 1), 1);
    expect(fixture.errors()).toEqual(["broken-chain"]);
  });

  test("the log of another host", async () => {
    using fixture = await tenLines();
    using other = await tenLines();
    fixture.write(other.lines());
    expect(fixture.errors()).toEqual([
      ...Array.from({ length: 10 }, () => "other-log"),
      "no-log",
      "head-differs",
    ]);
  });

  test("a log put back to what it was, the database with it: only who kept a point notices", async () => {
    using fixture = await tenLines();
    const head = readHead(fixture.database)!;
    await fixture.log().append({ event: "key.read", outcome: "ok", secret: "late" });
    const point = readHead(fixture.database)!;
    fixture.write(fixture.lines().slice(0, 10));
    fixture.forgetPending();
    fixture.database.run(
      "UPDATE audit_head SET seq = ?, hash = ?, bytes = ?",
      head.seq,
      head.hash,
      head.bytes,
    );
    expect(fixture.errors()).toEqual([]);
    expect(fixture.errors({ expected: [point] })).toEqual(["not-as-expected"]);
    expect(fixture.errors({ expected: [head] })).toEqual([]);
  });

  test("names do not matter, the order of what is in them does", async () => {
    using fixture = await threeFiles();
    renameSync(fixture.files.at(0)!, `${fixture.files.at(0)!}.3`);
    expect(fixture.errors()).toEqual([]);
    const first = fixture.files.at(0)!;
    const second = fixture.files.at(1)!;
    renameSync(first, `${first}.x`);
    renameSync(second, first);
    renameSync(`${first}.x`, second);
    expect(fixture.errors()).toEqual([]);
  });
});

describe("once the log goes on after it, what was done stays visible:", () => {
  test("lines appended by somebody else", async () => {
    using fixture = await tenLines();
    appendFileSync(fixture.files.at(0)!, "all is well\n");
    await fixture.log().append({ event: "key.read", outcome: "ok" });
    expect(fixture.errors()).toEqual(["not-a-line"]);
    expect(fixture.notes()).toEqual(["moved"]);
  });

  test("a cut at the end", async () => {
    using fixture = await tenLines();
    fixture.write(fixture.lines().slice(0, 7));
    await fixture.log().append({ event: "key.read", outcome: "ok" });
    expect(fixture.errors()).toEqual(["missing"]);
  });

  test("a line changed that was still to be synced is written again, and that is told", async () => {
    using fixture = new AuditFixture();
    await fixture.filled(5);
    const before = readFileSync(fixture.files.at(0)!, "utf8");
    fixture.write(fixture.lines().with(3, fixture.lines().at(3)!.replace("secret-3", "secret-x")));
    expect(fixture.errors()).toEqual(["altered"]);
    await fixture.log().append({ event: "key.read", outcome: "ok" });
    expect(readFileSync(fixture.files.at(0)!, "utf8").startsWith(before)).toBe(true);
    expect(fixture.errors()).toEqual(["mended"]);
  });
});

test("a clock that went back is noted", async () => {
  using fixture = new AuditFixture();
  const times = ["2026-01-01T00:00:02.000Z", "2026-01-01T00:00:03.000Z", "2026-01-01T00:00:01.000Z"];
  await fixture.filled(3, { now: () => times.shift() ?? "" });
  expect(fixture.notes()).toEqual(["clock-back"]);
  expect(fixture.errors()).toEqual([]);
});
