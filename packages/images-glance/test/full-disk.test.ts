import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { tempDirectory } from "../../../testing/src/index.ts";
import { requireNamespaces, smallFilesystem } from "../../../testing/src/small-filesystem.ts";
import { startChild } from "./child.ts";
import { FakeGlance, sendRange } from "./fake-glance.ts";
import { TOKEN } from "./glance-host.ts";

const MIB = 1024 * 1024;
vi.setConfig({ testTimeout: 120_000 });
let glance: FakeGlance;

beforeAll(requireNamespaces);
beforeEach(async () => {
  glance = await FakeGlance.start();
});
afterEach(async () => {
  await glance[Symbol.asyncDispose]();
});

test("a disk that fills up in the middle of a download: refused, and nothing of it is left", async () => {
  const images = [glance.add(6 * MIB), glance.add(6 * MIB)];
  // Both have found enough space before either gets a byte.
  const waiting: (() => void)[] = [];
  glance.rule = (request, response) => {
    const image = images.find(({ id }) => request.url?.includes(id));
    waiting.push(() => sendRange(request, response, image?.bytes ?? Buffer.alloc(0)));
    if (waiting.length === 2) for (const go of waiting) go();
    return true;
  };
  const mount = join(tempDirectory(), "small");
  mkdirSync(mount);
  const directory = join(mount, "glance");
  const ids = images.map(({ id }) => id);
  const scenario = { servers: [glance.url], directory, ids, retries: 0 };
  const outcome = await startChild(scenario, TOKEN, smallFilesystem(mount, 8 * MIB).through).outcome;
  expect(outcome?.results).toContain("NoSpace");
  const kept = images.filter(({ metadata }, at) => outcome?.results[at] === metadata["os_hash_value"]);
  expect(outcome?.results.filter((result) => result === "NoSpace")).toHaveLength(2 - kept.length);
  expect(outcome?.names.toSorted()).toEqual(kept.flatMap(({ id }) => [id, `${id}.json`]).toSorted());
});

test("a file that may not grow so large: refused, and nothing of it is left", async () => {
  const { id } = glance.add(6 * MIB);
  const directory = join(tempDirectory(), "glance");
  const limit = ["prlimit", `--fsize=${3 * MIB}`];
  const scenario = { servers: [glance.url], directory, ids: [id], retries: 3 };
  const outcome = await startChild(scenario, TOKEN, limit).outcome;
  expect(outcome).toEqual({ results: ["NoSpace"], names: [] });
  expect(glance.ranges).toHaveLength(1);
});
