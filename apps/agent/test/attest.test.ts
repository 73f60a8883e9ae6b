import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { InstanceDocument } from "../src/output/disk-document.ts";
import { TemporaryHost } from "./temporary-host.ts";

let host: TemporaryHost;
let made: InstanceDocument;

beforeAll(async () => {
  host = await TemporaryHost.create();
  made = await host.json<InstanceDocument>(["create", "-f", "-"], host.request({ disk: 0, ephemeral: 0 }));
});
afterAll(() => host[Symbol.asyncDispose]());

const exitCode = async (...args: readonly string[]): Promise<number> =>
  (await host.run(["attest", ...args])).exitCode;

test("a statement is made, verified, refused as an answer to another question, and says what is in clear", async () => {
  const file = join(host.path, "statement.json");
  const nonce = ["--nonce", "of-the-auditor"];
  expect(await exitCode("create", file, ...nonce)).toBe(0);
  expect(await exitCode("create", file, ...nonce)).toBe(73);
  expect(await exitCode("create", join(host.path, "other"), "--nonce", "short")).toBe(64);
  expect(await exitCode("create", join(host.path, "other"), made.uuid, "disk.eph7")).toBe(66);
  expect(await exitCode("verify", file, ...nonce)).toBe(0);
  expect(await exitCode("verify", file, "--nonce", "of-another")).toBe(65);
  expect(await exitCode("verify", file, "--max-age", "0m")).toBe(65);
  expect(await exitCode("verify", file, "--max-age", "soon")).toBe(64);
  const shown = await host.run(["attest", "verify", file]);
  for (const part of ["the signature is right", "aes-xts-plain64", ": ok", "does not exclude"])
    expect(shown.out).toContain(part);

  const [disk] = made.disks;
  const fd = openSync(disk?.path ?? "", "r+");
  writeSync(fd, "In clear. ".repeat(100), 2 << 20);
  closeSync(fd);
  const later = join(host.path, "later.json");
  expect(await exitCode("create", later, made.uuid, "disk", "--samples", "1")).toBe(0);
  const refused = await host.run(["--json", "attest", "verify", later]);
  expect(refused.exitCode).toBe(65);
  const document = JSON.parse(refused.out) as { ok: boolean; objections: Record<string, string[]> };
  expect(document.ok).toBe(false);
  expect(document.objections[disk?.uuid ?? ""]?.join()).toContain("are not noise");
});
