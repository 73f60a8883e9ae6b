import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { MemoryIo } from "./memory-io.ts";
import { TemporaryHost } from "./temporary-host.ts";
import { lazyLogger } from "../src/lazy-logger.ts";

let host: TemporaryHost;
beforeEach(async () => void (host = await TemporaryHost.create()));
afterEach(() => host[Symbol.asyncDispose]());

function records(text: string): readonly Record<string, unknown>[] {
  return text
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

async function createWith(env: Record<string, string>): Promise<string> {
  const io = new MemoryIo({ env, stdin: JSON.stringify(host.request()) });
  expect((await host.run(["create", "-f", "-", "--json"], io)).exitCode).toBe(0);
  expect(() => JSON.parse(io.out) as unknown).not.toThrow();
  return io.err;
}

describe("logging", () => {
  test("is quiet by default, although the daemon's default is info", async () => {
    expect(await createWith({})).toBe("");
  });

  test("follows [luksmith] log_level once a file sets it", async () => {
    await host.configure("log_level = info");
    const made = records(await createWith({})).find(({ msg }) => msg === "instance created");
    expect(made).toMatchObject({
      level: 30,
      disks: 3,
      requestId: expect.stringMatching(/^req-[0-9a-f-]{36}$/),
    });
  });

  test("LUKSMITH_LOG goes before the configuration, and must be a level", async () => {
    await host.configure("log_level = debug");
    expect(await createWith({ LUKSMITH_LOG: "error" })).toBe("");
    const { exitCode, err } = await host.run(["list"], new MemoryIo({ env: { LUKSMITH_LOG: "loud" } }));
    expect([exitCode, err]).toEqual([64, expect.stringContaining("UsageError: LUKSMITH_LOG=loud")]);
  });

  test("never holds a passphrase, at any level", async () => {
    const log = await createWith({ LUKSMITH_LOG: "debug" });
    expect(records(log).length).toBeGreaterThan(2);
    const { instances } = await host.json<{ instances: { disks: { encryption_secret_uuid: string }[] }[] }>([
      "list",
    ]);
    for (const { encryption_secret_uuid } of instances.flatMap(({ disks }) => disks)) {
      const { out } = await host.run(["secret", "reveal", encryption_secret_uuid]);
      expect(log).not.toContain(out);
    }
  });

  test("warns of a deprecated option once", async () => {
    await host.configure("[ephemeral_storage_encryption]", "cipher = aes-xts-plain64");
    const { err } = await host.run(["list"]);
    expect(records(err)).toMatchObject([
      {
        level: 40,
        msg: "deprecated option",
        section: "ephemeral_storage_encryption",
        name: "cipher",
        line: 10,
      },
    ]);
  });

  test("redacts fields whose names are secrets", () => {
    let text = "";
    const log = lazyLogger("info", (line) => (text += line));
    log.debug({ never: "loaded" }, "below the level");
    log.child({ password: "hunter2" }).info({ token: "t0ps3cret", nested: { passphrase: "s3same" } }, "said");
    expect(text).not.toMatch(/hunter2|t0ps3cret|s3same|never/);
    expect(records(text)).toMatchObject([{ msg: "said", token: "[Redacted]" }]);
  });
});
