import { randomUUID } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { DISCREPANCY_KINDS } from "@luksmith/core/host";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { GcDocument } from "../src/actions/gc.ts";
import { TemporaryHost } from "./temporary-host.ts";

interface Made {
  readonly uuid: string;
  readonly disks: readonly [{ readonly path: string; readonly encryption_secret_uuid: string }];
}

let host: TemporaryHost;
beforeEach(async () => void (host = await TemporaryHost.create()));
afterEach(() => host[Symbol.asyncDispose]());

/** An instance with one small encrypted disk. */
async function make(on: TemporaryHost = host): Promise<Made> {
  return await on.json<Made>(["create", "-f", "-"], on.request({ ephemeral: 0, swap: 0 }));
}

async function gc(...options: readonly string[]): Promise<GcDocument> {
  const { out, err } = await host.run(["gc", "--grace", "0", "--json", ...options]);
  if (out === "") throw new Error(err);
  return JSON.parse(out) as GcDocument;
}

/** Runs with a row of the key store put back that something deletes. */
async function withSecretPutBack(id: string, act: () => Promise<unknown>): Promise<void> {
  const path = join(host.path, "state/keys.sqlite");
  const read = (): Record<string, string> => {
    using database = new DatabaseSync(path);
    return database.prepare("SELECT * FROM secrets WHERE id = ?").get(id) as Record<string, string>;
  };
  const row = read();
  await act();
  using database = new DatabaseSync(path);
  const names = Object.keys(row);
  const marks = names.map(() => "?").join(", ");
  database.prepare(`INSERT INTO secrets (${names.join(", ")}) VALUES (${marks})`).run(...Object.values(row));
}

test("docs/reference/gc.md has each kind", () => {
  const text = readFileSync(join(import.meta.dirname, "../../../docs/reference/gc.md"), "utf8");
  const listed = [...text.matchAll(/^\| `([a-z-]+)` \|/gmu)].map(([, kind]) => kind);
  expect(listed).toEqual([...DISCREPANCY_KINDS]);
});

describe("luksmith gc", { timeout: 240_000 }, () => {
  test("says that all fits together where it does", async () => {
    const { uuid, disks } = await make();
    await host.json(["snapshot", uuid, "disk", join(host.path, "copy.img")]);
    expect(await gc()).toEqual({ applied: false, discrepancies: [], foreign: 0, troubles: [] });
    expect(await gc("--apply")).toEqual({ applied: true, discrepancies: [], foreign: 0, troubles: [] });
    expect(existsSync(disks[0].path)).toBe(true);
    expect((await host.run(["verify"])).exitCode).toBe(0);
  });

  test("finds what was planted, acts on what is proven to be a leftover, and on nothing else", async () => {
    const planted: (readonly [kind: string, object: string])[] = [];
    const kept: string[] = [];
    const untouched = await make();

    const missing = await make();
    rmSync(missing.disks[0].path);
    planted.push(["disk-missing", missing.disks[0].path]);

    const replaced = await make();
    writeFileSync(`${replaced.disks[0].path}-new`, "somebody else's".repeat(1000));
    renameSync(`${replaced.disks[0].path}-new`, replaced.disks[0].path);
    planted.push(["disk-replaced", replaced.disks[0].path]);
    kept.push(replaced.disks[0].path);

    const renamed = await make();
    const elsewhere = join(dirname(renamed.disks[0].path), "disk.eph7");
    renameSync(renamed.disks[0].path, elsewhere);
    planted.push(["disk-missing", renamed.disks[0].path], ["disk-elsewhere", elsewhere]);
    kept.push(elsewhere);

    const twin = await make();
    const double = join(dirname(twin.disks[0].path), "disk.eph8");
    copyFileSync(twin.disks[0].path, double);
    planted.push(["disk-double", double]);
    kept.push(double, twin.disks[0].path);

    await using other = await TemporaryHost.create();
    const foreign = await make(other);
    const unrecorded = join(host.path, "instances", foreign.uuid, "disk");
    mkdirSync(dirname(unrecorded));
    copyFileSync(foreign.disks[0].path, unrecorded);
    planted.push(["disk-unrecorded", unrecorded]);
    kept.push(unrecorded);

    const returned = await make();
    copyFileSync(returned.disks[0].path, join(host.path, "backup"));
    await withSecretPutBack(returned.disks[0].encryption_secret_uuid, () =>
      host.json(["delete", returned.uuid]),
    );
    mkdirSync(dirname(returned.disks[0].path));
    renameSync(join(host.path, "backup"), returned.disks[0].path);
    planted.push(["disk-returned", returned.disks[0].path]);
    kept.push(returned.disks[0].path);

    const remnant = await make();
    linkSync(remnant.disks[0].path, join(host.path, "linked"));
    await host.json(["delete", remnant.uuid]);
    mkdirSync(dirname(remnant.disks[0].path));
    renameSync(join(host.path, "linked"), remnant.disks[0].path);
    planted.push(["disk-remnant", remnant.disks[0].path]);

    const empty = await make();
    await host.json(["delete", empty.uuid]);
    mkdirSync(dirname(empty.disks[0].path));
    planted.push(["directory-empty", dirname(empty.disks[0].path)]);

    for (const kind of ["snapshot-missing", "snapshot-replaced"]) {
      const target = join(host.path, kind);
      await host.json(["snapshot", twin.uuid, "disk", target]);
      rmSync(target);
      if (kind === "snapshot-replaced") writeFileSync(target, "another file");
      planted.push([kind, target]);
    }

    const lost = await make();
    {
      using database = new DatabaseSync(join(host.path, "state/keys.sqlite"));
      database.prepare("DELETE FROM secrets WHERE id = ?").run(lost.disks[0].encryption_secret_uuid);
    }
    planted.push(["secret-missing", lost.disks[0].encryption_secret_uuid]);
    kept.push(lost.disks[0].path);

    const orphan = await make();
    const { encryption_secret_uuid: orphaned } = orphan.disks[0];
    await withSecretPutBack(orphaned, () => host.json(["delete", orphan.uuid]));
    planted.push(["secret-orphan", orphaned]);

    const rekeyed = await make();
    const { encryption_secret_uuid: old } = rekeyed.disks[0];
    await withSecretPutBack(old, () => host.json(["rekey", rekeyed.uuid]));
    planted.push(["secret-superseded", old]);

    const stray = randomUUID();
    {
      using database = new DatabaseSync(join(host.path, "state/keys.sqlite"));
      const copy =
        "INSERT INTO secrets (id, name, created_at, nonce, wrapped) SELECT ?, ?, created_at, nonce, wrapped FROM secrets LIMIT 1";
      const name = `Ephemeral encryption secret for instance ${randomUUID()} BDM ${randomUUID()}`;
      database.prepare(copy).run(stray, name);
    }
    planted.push(["secret-unrecorded", stray]);

    const found = await gc();
    const told = found.discrepancies.map(({ kind, object }) => `${kind} ${object}`);
    expect(told.sort()).toEqual(planted.map(([kind, object]) => `${kind} ${object}`).sort());
    expect(new Set(planted.map(([kind]) => kind)).size).toBeGreaterThanOrEqual(12);
    expect(found.troubles).toEqual([]);

    // Nothing is old enough.
    const young = await host.run(["gc", "--json", "--apply"]);
    const { discrepancies } = JSON.parse(young.out) as GcDocument;
    expect(discrepancies.filter(({ outcome }) => outcome === "done")).toEqual([]);

    const bytes = kept.map((path) => readFileSync(path).subarray(0, 1 << 20));
    const applied = await gc("--apply");
    const done = applied.discrepancies.filter(({ outcome }) => outcome === "done").map(({ kind }) => kind);
    expect(done.sort()).toEqual(["directory-empty", "disk-remnant", "secret-orphan", "secret-superseded"]);
    expect(
      applied.discrepancies.filter(({ outcome }) => outcome === "failed" || outcome === "refused"),
    ).toEqual([]);
    const now = kept.map((path) => readFileSync(path).subarray(0, 1 << 20));
    expect(kept.filter((_, at) => !now[at]?.equals(bytes[at] ?? Buffer.of()))).toEqual([]);
    expect(statSync(untouched.disks[0].path).size).toBeGreaterThan(0);
    for (const { uuid } of [untouched, rekeyed]) expect((await host.run(["verify", uuid])).exitCode).toBe(0);
    // What came back from a backup still has its passphrase, though that was to be deleted.
    expect((await host.run(["secret", "reveal", returned.disks[0].encryption_secret_uuid])).exitCode).toBe(0);
    for (const id of [orphaned, old]) expect((await host.run(["secret", "reveal", id])).exitCode).toBe(66);
    const again = await gc("--apply");
    expect(again.discrepancies.filter(({ outcome }) => outcome === "done")).toEqual([]);
  });
});
