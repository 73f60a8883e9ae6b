import { execFileSync } from "node:child_process";
import { truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { run } from "../src/index.ts";
import { MemoryIo } from "./memory-io.ts";
import { type Ran, TemporaryHost } from "./temporary-host.ts";

let host: TemporaryHost;
beforeAll(async () => {
  host = await TemporaryHost.create();
  const file = join(host.path, "luks.img");
  writeFileSync(file, "");
  truncateSync(file, 4 << 20);
  const format = ["luksFormat", "--type", "luks1", "-q", "--pbkdf-force-iterations", "1000", "--key-file=-"];
  const cipher = [
    "--cipher",
    "aes-cbc-essiv:sha256",
    "--key-size",
    "256",
    "--uuid",
    "15929a94-b134-4fc4-8119-1cd4e8b834cc",
  ];
  execFileSync("cryptsetup", [...format, ...cipher, file], { input: "passphrase", stdio: "pipe" });
  writeFileSync(join(host.path, "short.img"), "LUKS\xba\xbe\0\u0001", "latin1");
  writeFileSync(join(host.path, "empty.img"), "");
});
afterAll(() => host[Symbol.asyncDispose]());

async function inspect(...argv: readonly string[]): Promise<Ran> {
  const io = new MemoryIo({ cwd: host.path });
  const exitCode = await run(["inspect", ...argv], io);
  return { exitCode, out: io.out, err: io.err };
}

describe("inspect", () => {
  test("draws what cryptsetup made, without any configuration", async () => {
    const { exitCode, out, err } = await inspect("luks.img");
    expect([exitCode, err]).toEqual([0, ""]);
    expect(out).toContain("cipher  aes-cbc-essiv:sha256, 256 bit key");
    expect(out).toMatch(/\n +8 +4096 {2}├─+┤\n +│ key slot 0 {2}ACTIVE, 1000 iterations +│\n/);
    expect(out).toMatch(
      /\n +4096 +2097152 {2}├─+┤\n +│ payload {2}2097152 bytes \(2 MiB\) +│\n +8192 +4194304 {2}└─+┘\n/,
    );
  });

  test("gives the same as JSON", async () => {
    const { out } = await inspect("--json", join(host.path, "luks.img"));
    expect(JSON.parse(out)).toMatchObject({
      path: join(host.path, "luks.img"),
      container_bytes: 4 << 20,
      version: 1,
      uuid: "15929a94-b134-4fc4-8119-1cd4e8b834cc",
      cipher: "aes-cbc-essiv:sha256",
      hash: "sha256",
      key_bits: 256,
      payload: { offset_sectors: 4096, offset_bytes: 2 << 20, bytes: 2 << 20 },
      findings: expect.any(Array) as unknown[],
    });
    const { key_slots } = JSON.parse(out) as { key_slots: readonly object[] };
    expect(key_slots).toHaveLength(8);
    expect(key_slots[0]).toMatchObject({ slot: 0, active: true, offset_sectors: 8, length_sectors: 250 });
  });

  test("says what an image of another format is", async () => {
    const file = join(host.path, "disk.qcow2");
    execFileSync("qemu-img", ["create", "-q", "-f", "qcow2", file, "1M"]);
    const { exitCode, err } = await inspect(file);
    expect(exitCode).toBe(65);
    expect(err).toMatch(/^luksmith: LuksHeaderInvalid: .*; its bytes say qcow2, for which "qemu-img info"/);
  });

  test.each([
    ["empty.img", 65, "LuksHeaderInvalid"],
    ["short.img", 65, "LuksHeaderInvalid"],
    ["luksmith.conf", 65, "LuksHeaderInvalid"],
    ["nothing.img", 64, "FileUnreadable"],
    [".", 64, "FileUnreadable"],
    ["/dev/null", 64, "FileUnreadable"],
  ])("%s: exit code %i, %s", async (file, expected, code) => {
    const { exitCode, out, err } = await inspect(file);
    expect([exitCode, out, err]).toEqual([expected, "", expect.stringContaining(`luksmith: ${code}: `)]);
  });
});
