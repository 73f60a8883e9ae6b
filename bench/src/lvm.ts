/**
 * Disks on LVM beside the tools that do parts of it: our create beside `lvcreate` alone, our fill beside `dd` of the same bytes and
 * beside `qemu-img convert` into a LUKS container. For a machine with LVM, or in the device-mapper kernel:
 *
 *     NODE=node_modules/node/bin/node
 *     $NODE testing/services/src/dm-kernel/main.ts $PWD/$NODE --conditions=luksmith-source bench/src/lvm.ts
 */
import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GeneratedPassphrase, type ImageFile, LuksEngine } from "@luksmith/core";
import { hostCommands } from "@luksmith/core/host";
import { lvmBackend } from "../../packages/backend-lvm/src/index.ts";
import { InMemoryKeyManager, RecordingRollback, testContext } from "../../packages/testkit/src/index.ts";

const GROUP = process.env["LUKSMITH_TEST_VG"] ?? "";
const MIB = 1024 * 1024;
const FILL = 128 * MIB;
const ROUNDS = 5;
const ctx = testContext();
const keys = new InMemoryKeyManager();
await using luks = new LuksEngine({ threads: 1 });
const commands = hostCommands();

async function best(what: string, act: () => Promise<void> | void, after: () => void): Promise<void> {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    await act();
    times.push(performance.now() - start);
    after();
  }
  const sorted = times.toSorted((a, b) => a - b).map(Math.round);
  console.log(`${what.padEnd(44)} best ${sorted[0]} ms, median ${sorted[2]} ms, worst ${sorted[4]} ms`);
}

const sh = (file: string, ...args: readonly string[]): void =>
  void execFileSync(file, args, { stdio: "pipe" });
const clean = (): void => sh("lvremove", "-qq", "-f", GROUP);
const lvcreate = (): void =>
  sh("lvcreate", "-qq", "-y", "-Wn", "-Zn", "-L", `${FILL + 2 * MIB}b`, "-n", "bench", GROUP);

async function create(source: string | undefined): Promise<void> {
  const services = {
    keys,
    luks,
    commands,
    // Not reached: raw images need no cache.
    cache: undefined as never,
    policy: {
      pbkdfIterations: 1000,
      verify: "unlock",
      preallocate: "none",
      forceRaw: true,
      commandTimeoutMs: 60_000,
    },
  } as const;
  const settings = { volumeGroup: GROUP, thin: false, clear: "none", clearBytes: 0 } as const;
  const backend = lvmBackend(settings, () => services);
  using passphrase = GeneratedPassphrase.create();
  const { id } = await keys.create({ name: randomUUID(), passphrase }, ctx);
  const disk = {
    instanceUuid: randomUUID(),
    name: "disk",
    uuid: randomUUID(),
    virtualSize: BigInt(FILL),
    encryption: { format: "luks", secretId: id },
  } as const;
  const image = backend.image(disk);
  if (source === undefined) {
    await image.create({ source: { kind: "blank" }, passphrase }, new RecordingRollback(), ctx);
    return;
  }
  await using file = await open(source);
  const size = BigInt(FILL);
  const from: ImageFile = {
    id: "bench",
    format: "raw",
    path: source,
    fd: file.fd,
    size,
    virtualSize: size,
    [Symbol.asyncDispose]: async () => {},
  };
  await image.create({ source: { kind: "image", image: from }, passphrase }, new RecordingRollback(), ctx);
}

const source = join(tmpdir(), "bench-source");
const key = join(tmpdir(), "bench-key");
sh("dd", "if=/dev/urandom", `of=${source}`, "bs=1M", `count=${FILL / MIB}`);
await writeFile(key, "a passphrase that nobody keeps");
try {
  await create(undefined); // the engine's thread starts
  clean();
  await best("lvcreate alone", lvcreate, clean);
  await best("our create, blank and encrypted", () => create(undefined), clean);
  const target = `/dev/${GROUP}/bench`;
  const dd = (): void => sh("dd", `if=${source}`, `of=${target}`, "bs=1M", "oflag=direct", "conv=fdatasync");
  await best("lvcreate and dd of 128 MiB, in clear", () => (lvcreate(), dd()), clean);
  await best("our create, filled with 128 MiB", () => create(source), clean);
  const secret = ["--object", `secret,id=s0,file=${key}`];
  const convert = (): void => {
    sh(
      "qemu-img",
      "create",
      "-q",
      "-f",
      "luks",
      ...secret,
      "-o",
      "key-secret=s0,iter-time=10",
      target,
      String(FILL),
    );
    const options = `driver=luks,key-secret=s0,file.driver=host_device,file.filename=${target}`;
    sh(
      "qemu-img",
      "convert",
      "-n",
      "-t",
      "none",
      "-f",
      "raw",
      ...secret,
      "--target-image-opts",
      source,
      options,
    );
  };
  await best("lvcreate and qemu-img create, convert", () => (lvcreate(), convert()), clean);
} finally {
  await Promise.all([source, key].map((path) => rm(path, { force: true })));
}
