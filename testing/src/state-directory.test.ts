import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { createInstance } from "@luksmith/core/host";
import { describe, expect, test } from "vitest";
import { runChild, startChild } from "./child/run-child.ts";
import { expectRefusal } from "./expect-refusal.ts";
import { type TempHost, tempHost } from "./temp-host.ts";
import { treeOf } from "./tree.ts";
import { testContext } from "./workspace.ts";

const MIB = 1024 * 1024;
const databaseOf = (temp: TempHost): string => join(temp.statePath, "luksmith.sqlite");

/** A host with one instance. */
async function usedHost(): Promise<TempHost> {
  const temp = tempHost();
  const image = temp.addImage(MIB);
  await using host = await temp.write();
  await createInstance(host, await temp.request(image), testContext());
  return temp;
}

describe("two agents on one state directory", () => {
  test("the second is refused with the first one's process id", async () => {
    const temp = await usedHost();
    const first = startChild({ configFile: temp.configFile, action: { kind: "open" }, hold: true });
    await first.ready;
    const error = await expectRefusal(() => temp.write(), "StateLocked", "conflict");
    expect(error.message).toContain(String(first.process.pid));
    expect(error.message).toContain("a child of a test");
    expect(error.retryable).toBe(true);
    // Reading goes on.
    await using reader = await temp.read();
    expect(reader.inventory?.instances().length).toBe(1);
    first.process.kill("SIGKILL");
    await once(first.process, "exit");
    // Released by the kernel, although nobody cleaned up.
    await using second = await temp.write();
    expect(second.inventory.instances().length).toBe(1);
  });

  test("of many that start at once each works or is refused, and none is harmed", async () => {
    const temp = tempHost();
    const image = temp.addImage(MIB);
    const runs = Array.from({ length: 4 }, () =>
      runChild({ configFile: temp.configFile, action: { kind: "create", request: temp.json(image) } }),
    );
    const outcomes = await Promise.all(runs);
    const codes = outcomes.map((outcome) => outcome?.error?.code ?? "done");
    expect(codes.filter((code) => code !== "done" && code !== "StateLocked")).toEqual([]);
    await using host = await temp.write();
    expect(host.inventory.instances().length).toBe(codes.filter((code) => code === "done").length);
    expect(codes).toContain("done");
  });
});

describe("a state directory that is not ours alone", () => {
  test.each([0o755, 0o770, 0o701])("is refused with mode %o, and nothing in it changes", async (mode) => {
    const temp = await usedHost();
    chmodSync(temp.statePath, mode);
    const before = treeOf(temp.root);
    const error = await expectRefusal(() => temp.write(), "StateDirectoryUnsafe", "config");
    expect(error.message).toContain(`chmod 0700 ${temp.statePath}`);
    await expectRefusal(() => temp.read(), "StateDirectoryUnsafe", "config");
    expect(treeOf(temp.root)).toEqual(before);
  });

  test("is refused when it belongs to another user", async () => {
    const temp = tempHost();
    // What belongs to somebody else, whoever runs this.
    const [path, me] =
      process.geteuid?.() === 0 ? [join(temp.root, "state"), 0] : ["/proc/1", process.geteuid?.()];
    if (me === 0) {
      mkdirSync(path, { mode: 0o700 });
      chownSync(path, 12_345, 12_345);
    }
    const text = readFileSync(temp.configFile, "utf8").replace(/state_path = .*/, `state_path = ${path}`);
    writeFileSync(temp.configFile, text);
    const error = await expectRefusal(() => temp.write(), "StateDirectoryUnsafe", "config");
    expect(error.message).toContain("belongs to uid");
  });

  test("is refused when it is a link or a file", async () => {
    const temp = await usedHost();
    const elsewhere = join(temp.root, "elsewhere");
    renameSync(temp.statePath, elsewhere);
    symlinkSync(elsewhere, temp.statePath);
    const link = await expectRefusal(() => temp.write(), "StateDirectoryUnsafe", "config");
    expect(link.message).toContain("is not a directory");
    const other = tempHost();
    writeFileSync(other.statePath, "", { mode: 0o600 });
    const file = await expectRefusal(() => other.write(), "StateDirectoryUnsafe", "config");
    expect(file.message).toContain("is not a directory");
  });
});

/** Each makes the journal something that cannot be trusted. */
const DAMAGES: readonly (readonly [string, (path: string) => void])[] = [
  ["garbage", (path) => writeFileSync(path, Buffer.alloc(20_000, "garbage "))],
  ["a garbage of a few bytes", (path) => writeFileSync(path, "x")],
  ["cut short", (path) => truncateSync(path, 10_000)],
  ["empty", (path) => truncateSync(path, 0)],
  ["flipped in the middle", (path) => flip(path)],
  ["another program's", (path) => pragma(path, "application_id = 77")],
  ["a newer version's", (path) => pragma(path, "user_version = 999")],
];

function flip(path: string): void {
  const bytes = readFileSync(path);
  for (let at = 4096; at + 64 < bytes.length; at += 4096) bytes.fill(0xff, at, at + 64);
  writeFileSync(path, bytes);
}

function pragma(path: string, text: string): void {
  using database = new DatabaseSync(path);
  database.exec(`PRAGMA ${text}; PRAGMA wal_checkpoint(TRUNCATE)`);
}

describe("a journal that is damaged", () => {
  test.each(DAMAGES)("(%s) is refused and kept to the byte, by writers and readers", async (_, damage) => {
    const temp = await usedHost();
    damage(databaseOf(temp));
    const before = readFileSync(databaseOf(temp));
    for (const open of [() => temp.write(), () => readAll(temp)]) {
      const error = await expectRefusal(open, "JournalCorrupt", "integrity");
      expect(error.message).toContain(databaseOf(temp));
      expect(readFileSync(databaseOf(temp)).equals(before)).toBe(true);
    }
    // Nobody else is kept out by the refused.
    writeFileSync(databaseOf(temp), before);
    await expectRefusal(() => temp.write(), "JournalCorrupt", "integrity");
  });

  test("is kept to the byte with the log that a killed agent left", async () => {
    const temp = await usedHost();
    const image = temp.addImage(MIB);
    const request = temp.json(image);
    await runChild({ configFile: temp.configFile, action: { kind: "create", request }, killAt: 4 });
    const log = `${databaseOf(temp)}-wal`;
    expect(existsSync(log)).toBe(true);
    flip(databaseOf(temp));
    const kept = [databaseOf(temp), log].map((path) => readFileSync(path));
    const outcome = await runChild({ configFile: temp.configFile, action: { kind: "open" } });
    expect(outcome?.error).toMatchObject({ code: "JournalCorrupt", category: "integrity" });
    expect(readFileSync(databaseOf(temp)).equals(kept[0] ?? Buffer.of())).toBe(true);
    expect(readFileSync(log).equals(kept[1] ?? Buffer.of())).toBe(true);
  });

  test("a log without its database is not replayed into a new one", async () => {
    const temp = await usedHost();
    const request = temp.json(temp.addImage(MIB));
    await runChild({ configFile: temp.configFile, action: { kind: "create", request }, killAt: 4 });
    renameSync(databaseOf(temp), join(temp.root, "moved"));
    await expectRefusal(() => temp.write(), "JournalCorrupt", "integrity");
    expect(existsSync(databaseOf(temp))).toBe(false);
  });

  test("a first start that was killed does not stand in the way of the next", async () => {
    const temp = tempHost();
    // What SQLite has written between its first page and our first transaction.
    mkdirSync(temp.statePath, { mode: 0o700 });
    const partial = join(temp.statePath, "luksmith.sqlite.new");
    {
      using database = new DatabaseSync(partial);
      database.exec("PRAGMA journal_mode = WAL");
    }
    copyFileSync(partial, `${partial}-wal`);
    await using host = await temp.write();
    expect(host.inventory.instances()).toEqual([]);
    expect(existsSync(partial)).toBe(false);
  });
});

async function readAll(temp: TempHost): Promise<unknown> {
  await using host = await temp.read();
  return host.inventory?.instances();
}
