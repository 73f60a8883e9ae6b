import { readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Passphrase } from "@luksmith/core";
import { errorToJson } from "@luksmith/core/host";
import { describe, expect, test } from "vitest";
import { cacheHost, type ImagesType } from "./cache-host.ts";
import { type Child, runChild, startChild } from "./child/run-child.ts";
import type { Action, Outcome } from "./child/scenario.ts";
import { ProcessWatch } from "./process-watch.ts";
import { passphraseOf, type TempHost, tempHost } from "./temp-host.ts";
import { filesBelow } from "./tree.ts";
import { findSecret } from "./workspace.ts";

const MIB = 1024 * 1024;

async function secretsOf(temp: TempHost): Promise<readonly Passphrase[]> {
  await using host = await temp.read();
  const owners = [
    ...(host.inventory?.instances() ?? []).flatMap(({ disks }) => disks),
    ...(host.inventory?.snapshots() ?? []),
  ];
  return await Promise.all(owners.map(({ encryption }) => passphraseOf(host, encryption?.secretId)));
}

/** Everything that a host wrote with a name. */
function filesOf(temp: TempHost): readonly Buffer[] {
  return (
    filesBelow(temp.root)
      // A GiB each: encrypted, with a header like the others', and what all such disks stand on.
      .filter((name) => !/disk\.eph0$|_base\/ephemeral/.test(name))
      .map((name) => readFileSync(join(temp.root, name)))
  );
}

function namesInTemporaryDirectories(): readonly string[] {
  return ["/dev/shm", tmpdir()]
    .flatMap((path) => readdirSync(path))
    .filter((name) => !name.startsWith("luksmith-test"));
}

/** Fails if any of the passphrases is in the evidence, in any of its forms. */
function expectNowhere(
  secrets: readonly Passphrase[],
  evidence: Readonly<Record<string, string | readonly Buffer[]>>,
): void {
  for (const [where, what] of Object.entries(evidence)) {
    for (const part of typeof what === "string" ? [what] : what) {
      for (const secret of secrets) expect(findSecret(secret, part), `a passphrase in ${where}`).toEqual([]);
    }
  }
}

async function run(
  temp: TempHost,
  action: Action,
  start = (): Child => startChild({ configFile: temp.configFile, action }),
): Promise<Outcome> {
  const outcome = await start().outcome;
  expect(outcome?.error).toBeUndefined();
  if (!outcome) throw new Error("the child was killed");
  return outcome;
}

describe("invariant 2: a passphrase is in the key manager and nowhere else", () => {
  test.each<ImagesType>(["raw", "qcow2"])(
    "not in any process's arguments or environment, a file, a log, or an error, with %s disks",
    { timeout: 120_000 },
    async (imagesType) => {
      const temp = cacheHost(imagesType, { luksmith: ["log_level = debug"] });
      const image = temp.addImage(2 * MIB);
      const namesBefore = namesInTemporaryDirectories();
      const watch = new ProcessWatch();
      const outcomes: Outcome[] = [];
      const created = await run(temp, {
        kind: "create",
        request: temp.json(image, { ephemeral: 1, swap: 4 }),
      });
      const id = String(created.result);
      outcomes.push(created);
      for (const format of ["raw", "qcow2"] as const) {
        const request = { disk: "disk", target: join(temp.root, `copy.${format}`), format, plain: false };
        outcomes.push(await run(temp, { kind: "snapshot", id, request }));
      }
      outcomes.push(await run(temp, { kind: "verify", id }));
      outcomes.push(await run(temp, { kind: "resize", id, disk: "disk", bytes: 3 * MIB }));

      const secrets = await secretsOf(temp);
      expect(secrets.length).toBe(5);
      const kept = filesOf(temp);
      outcomes.push(await run(temp, { kind: "delete", id }));
      const seen = watch.stop();
      // The watch has seen processes at work. Tools may be too quick for it; strace, below, misses none.
      expect([...seen].some((line) => line.includes("child/main.ts"))).toBe(true);
      const names = namesInTemporaryDirectories();
      expectNowhere(secrets, {
        processes: [...seen].join("\n"),
        files: kept,
        "files after delete": filesOf(temp),
        outcomes: JSON.stringify(outcomes),
        names: names.join("\n"),
      });
      // Tests of the key manager run beside this one, and call their directories so.
      const made = names.filter(
        (name) => !namesBefore.includes(name) && !name.startsWith("luksmith-keymgr-"),
      );
      expect(made.filter((name) => /secret|pass|key/.test(name))).toEqual([]);
      for (const secret of secrets) secret[Symbol.dispose]();
    },
  );

  test("not in any program that was started, says strace", async () => {
    const temp = cacheHost("qcow2");
    const id = String((await run(temp, { kind: "create", request: temp.json(temp.addImage(MIB)) })).result);
    const trace = join(temp.root, "trace");
    const target = join(temp.root, "copy");
    const action: Action = {
      kind: "snapshot",
      id,
      request: { disk: "disk", target, format: "qcow2", plain: false },
    };
    const through = ["strace", "-f", "-v", "-s", "100000", "-e", "trace=execve,openat", "-o", trace];
    await run(temp, action, () => startChild({ configFile: temp.configFile, action }, { through }));
    const secrets = await secretsOf(temp);
    const traced = readFileSync(trace, "latin1");
    expect(traced).toMatch(/execve\("[^"]*qemu-img", .*encrypt\.key-secret/);
    expect(traced).toMatch(/openat\(.*"\/dev\/fd\/3"/);
    expectNowhere(secrets, { trace: traced });
    // Each secret was an unnamed file in memory: the only things opened there.
    const inMemory = traced.split("\n").filter((line) => line.includes('"/dev/shm'));
    expect(inMemory.length).toBeGreaterThan(0);
    expect(inMemory.filter((line) => !line.includes("O_TMPFILE"))).toEqual([]);
    for (const secret of secrets) secret[Symbol.dispose]();
  });

  test("not in the error and the log of an operation that fails", async () => {
    const temp = tempHost();
    const image = temp.addImage(MIB);
    const created = await run(temp, { kind: "create", request: temp.json(image) });
    const instance = String(created.result);
    const request = {
      disk: "disk",
      target: join(temp.root, "nowhere/deeper/copy"),
      format: "qcow2",
      plain: false,
    } as const;
    const secrets = await secretsOf(temp);
    for (const action of [
      { kind: "snapshot", id: instance, request },
      { kind: "resize", id: instance, disk: "disk", bytes: 512 },
      { kind: "create", request: temp.json(image, { instance }) },
    ] as const) {
      const outcome = await runChild({ configFile: temp.configFile, action });
      expect(outcome?.error).toBeDefined();
      expectNowhere(secrets, { outcome: JSON.stringify(outcome) });
    }
    for (const secret of secrets) secret[Symbol.dispose]();
  });

  test("the search finds one that was put there", async () => {
    const temp = tempHost();
    await run(temp, { kind: "create", request: temp.json(temp.addImage(MIB)) });
    const [secret] = await secretsOf(temp);
    if (!secret) throw new Error("there is a secret");
    const text = secret.use((bytes) => Buffer.from(bytes).toString("latin1"));
    expect(findSecret(secret, { line: `--key=${text}` })).not.toEqual([]);
    expect(findSecret(secret, errorToJson(new Error(Buffer.from(text).toString("hex"))))).not.toEqual([]);
    expect(findSecret(secret, Buffer.from(`x${text}y`))).not.toEqual([]);
    secret[Symbol.dispose]();
  });
});
