import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { type OpenStack, sharedOpenStack } from "@luksmith/testing-services";
import { beforeAll, expect, test, vi } from "vitest";
import { requestJson, type TempHost } from "../../../testing/src/index.ts";
import { glanceTempHost } from "./glance-temp-host.ts";

const MAIN = join(import.meta.dirname, "../../../apps/agent/src/main.ts");
const MIB = 1024 * 1024;
vi.setConfig({ testTimeout: 120_000 });
let cloud: OpenStack;
let image: string;

beforeAll(async () => {
  cloud = await sharedOpenStack();
  image = ((await cloud.uploadImage({ bytes: randomBytes(MIB) })) as { id: string }).id;
}, 120_000);

async function luksmith(temp: TempHost, ...args: readonly string[]): Promise<string> {
  const own = ["--conditions=luksmith-source", MAIN, "--config-file", temp.configFile, ...args];
  const env = { ...process.env, ...cloud.environmentFor("alice") };
  return (await promisify(execFile)(process.execPath, own, { env })).stdout;
}

test("a user's variables are enough to create from Glance; list and prune show the download", async () => {
  const temp = glanceTempHost("raw", ["valid_interfaces = public"]);
  const request = join(temp.root, "request.json");
  writeFileSync(request, JSON.stringify(requestJson({ image, imageBytes: MIB })));
  const plan: unknown = JSON.parse(await luksmith(temp, "--json", "plan", "-f", request));
  expect(plan).toMatchObject({ warnings: [] });
  const created: unknown = JSON.parse(await luksmith(temp, "--json", "create", "-f", request));
  expect(created).toMatchObject({ disks: [{ name: "disk", encrypted: true }] });

  const download = {
    image_id: image,
    path: join(temp.statePath, "glance", image),
    bytes: MIB,
    complete: true,
    last_used: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
  };
  const listed: unknown = JSON.parse(await luksmith(temp, "--json", "cache", "list"));
  expect(listed).toMatchObject({ bases: [], downloads: [download] });
  expect(await luksmith(temp, "cache", "list")).toMatch(
    new RegExp(`^DOWNLOADED IMAGE +SIZE +ALLOCATED +LAST USED\n${image} `),
  );
  expect(await luksmith(temp, "cache", "prune")).toMatch(
    /kept: used lately\n0 of 0 bases and 0 of 1 downloaded/,
  );
  const pruned: unknown = JSON.parse(await luksmith(temp, "--json", "cache", "prune", "--all-unused"));
  expect(pruned).toMatchObject({ downloads: [{ ...download, removed: true, kept_because: null }] });
  expect(await luksmith(temp, "cache", "list")).toBe("the cache is empty\n");
});
