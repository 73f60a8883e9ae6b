import { randomUUID } from "node:crypto";
import { linkSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ExclusiveLock } from "../../file/exclusive-lock.ts";
import type { OpContext } from "../../image/op-context.ts";
import { silentLogger } from "../../log/logger.ts";
import { makeBaseOnce } from "./base-file.ts";
import { lockPath, makeLockDirectory } from "./base-lease.ts";
import { partName } from "./base-name.ts";

const NAME = "swap_4";
const ctx: OpContext = { requestId: "req-test", signal: new AbortController().signal, log: silentLogger };
let folder: string;
let directory: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "luksmith-cache-"));
  directory = join(folder, "_base");
});
afterEach(() => rm(folder, { recursive: true }));

const base = () => readFileSync(join(directory, NAME), "utf8");
const names = () => readdirSync(directory);

describe("makeBaseOnce", () => {
  it("makes one base for many, readable by QEMU's user", async () => {
    let fills = 0;
    const made = await Promise.all(
      Array.from({ length: 5 }, () =>
        makeBaseOnce(directory, NAME, async (part) => void (await part.write(`fill ${++fills}`)), ctx),
      ),
    );
    expect(made.filter(Boolean)).toHaveLength(1);
    expect(base()).toBe("fill 1");
    expect(names()).toEqual([NAME]);
    expect(statSync(join(directory, NAME)).mode & 0o777).toBe(0o644);
  });

  it("shows nothing under the base's name, or to others, before it is whole", async () => {
    await makeBaseOnce(
      directory,
      NAME,
      async (part) => {
        await part.write("half");
        const [only, ...more] = names();
        expect(more).toEqual([]);
        expect(only).toMatch(/^\.swap_4\..*\.part$/);
        expect((await part.stat()).mode & 0o777).toBe(0o600);
      },
      ctx,
    );
  });

  it("leaves nothing of a fill that fails, and the next one makes it", async () => {
    const fail = makeBaseOnce(directory, NAME, () => Promise.reject(new Error("no")), ctx);
    await expect(fail).rejects.toThrow("no");
    expect(names()).toEqual([]);
    await makeBaseOnce(directory, NAME, async (part) => void (await part.write("good")), ctx);
    expect(base()).toBe("good");
  });

  it("sweeps what dead makers of this base left, and nothing else", async () => {
    await mkdir(directory);
    const others = [partName("swap_44", randomUUID()), ".swap_4.mine", "not-ours"];
    for (const name of [...others, partName(NAME, randomUUID())]) writeFileSync(join(directory, name), "");
    await makeBaseOnce(directory, NAME, async () => {}, ctx);
    expect(names().toSorted()).toEqual([...others, NAME].toSorted());
  });

  it("sweeps the second name of a base whose maker died between link and unlink", async () => {
    await makeBaseOnce(directory, NAME, async () => {}, ctx);
    linkSync(join(directory, NAME), join(directory, partName(NAME, randomUUID())));
    expect(await makeBaseOnce(directory, NAME, () => Promise.reject(new Error("must not")), ctx)).toBe(false);
    expect(names()).toEqual([NAME]);
  });

  it("takes a base that somebody without our lock put there first", async () => {
    const fill = async () => writeFileSync(join(directory, NAME), "theirs");
    expect(await makeBaseOnce(directory, NAME, fill, ctx)).toBe(false);
    expect(base()).toBe("theirs");
    expect(names()).toEqual([NAME]);
  });

  it("can be cancelled while it waits for another maker, and while it fills", async () => {
    const stop = new AbortController();
    const stopping = { ...ctx, signal: stop.signal };
    makeLockDirectory(directory);
    {
      using _lock = ExclusiveLock.try(lockPath(directory, NAME, "maker"));
      const waiting = makeBaseOnce(directory, NAME, () => Promise.reject(new Error("must not")), stopping);
      setTimeout(() => stop.abort(new Error("enough")), 30);
      await expect(waiting).rejects.toMatchObject({ code: "Cancelled" });
    }
    const late = new AbortController();
    const filling = makeBaseOnce(directory, NAME, async () => late.abort(), { ...ctx, signal: late.signal });
    await expect(filling).rejects.toMatchObject({ code: "Cancelled" });
    expect(names()).toEqual([]);
  });
});
