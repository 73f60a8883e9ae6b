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
import { setTimeout as sleep } from "node:timers/promises";
import { GeneratedPassphrase, type ImageFile, LuksEngine } from "@luksmith/core";
import { createInstance, hostCommands, type WritableHost } from "@luksmith/core/host";
import { lvmBackend } from "../../packages/backend-lvm/src/index.ts";
import { TempHost } from "../../testing/src/temp-host.ts";
import { InMemoryKeyManager, RecordingRollback, testContext } from "../../packages/testkit/src/index.ts";
import { summarize } from "./harness/statistics.ts";

const GROUP = process.env["LUKSMITH_TEST_VG"] ?? "";
const MIB = 1024 * 1024;
const FILL = 128 * MIB;
const ROUNDS = 7;
/** As between two requests: an agent makes headers ready then. */
const IDLE_MS = 100;
const ctx = testContext();
const keys = new InMemoryKeyManager();
await using luks = new LuksEngine({ threads: 1 });
const commands = hostCommands();

const sh = (file: string, ...args: readonly string[]): void =>
  void execFileSync(file, args, { stdio: "pipe" });
const clean = (): void => sh("lvremove", "-qq", "-f", "--select", "lv_name!=somebodys", GROUP);
const lvcreate = (name = "bench", bytes = FILL + 2 * MIB): void =>
  sh("lvcreate", "-qq", "-y", "-Wn", "-Zn", "-L", `${bytes}b`, "-n", name, GROUP);

type Subject = readonly [what: string, act: () => Promise<void> | void];

/** All subjects in each round, another one first each time, so that whatever else the machine does meets all. */
async function compare(subjects: readonly Subject[]): Promise<void> {
  const times = subjects.map((): number[] => []);
  for (let round = 0; round < ROUNDS; round++) {
    for (let turn = 0; turn < subjects.length; turn++) {
      const index = (round + turn) % subjects.length;
      await sleep(IDLE_MS);
      const start = performance.now();
      await subjects[index]?.[1]();
      times[index]?.push(performance.now() - start);
      clean();
    }
  }
  for (const [index, [what]] of subjects.entries()) {
    const { median, min, max } = summarize(times[index] ?? []);
    const [best, middle, worst] = [min, median, max].map(Math.round);
    const first = median / summarize(times[0] ?? []).median;
    console.log(
      `${what.padEnd(52)} median ${middle} ms, best ${best}, worst ${worst}; ${first.toFixed(2)} of the first`,
    );
  }
}

async function create(source: string | undefined, prepared = true): Promise<void> {
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
  using passphrase = prepared ? luks.generatePassphrase() : GeneratedPassphrase.create();
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

/** An instance with one disk, filled with 2 MiB, as an agent makes it: journal, key manager, audit log, inventory. */
async function createWhole(
  temp: TempHost,
  host: WritableHost,
  image: string,
  surveyed: boolean,
): Promise<void> {
  const backend = (await host.services()).chosenBackend;
  const survey: unknown = Reflect.get(backend, "survey");
  if (!surveyed) Object.assign(backend, { survey: undefined });
  try {
    await createInstance(host, await temp.request(image), ctx);
  } finally {
    Object.assign(backend, { survey });
  }
}

const source = join(tmpdir(), "bench-source");
const key = join(tmpdir(), "bench-key");
const target = `/dev/${GROUP}/bench`;
const dd = (): void => sh("dd", `if=${source}`, `of=${target}`, "bs=1M", "oflag=direct", "conv=fdatasync");
const secret = ["--object", `secret,id=s0,file=${key}`];

/** The container on the volume, and then the content into it. */
function convert(): void {
  const options = ["-o", "key-secret=s0,iter-time=10"];
  sh("qemu-img", "create", "-q", "-f", "luks", ...secret, ...options, target, String(FILL));
  const into = `driver=luks,key-secret=s0,file.driver=host_device,file.filename=${target}`;
  const how = ["-n", "-t", "none", "-f", "raw", ...secret, "--target-image-opts"];
  sh("qemu-img", "convert", ...how, source, into);
}

sh("dd", "if=/dev/urandom", `of=${source}`, "bs=1M", `count=${FILL / MIB}`);
await writeFile(key, "a passphrase that nobody keeps");
const root = join(tmpdir(), "bench-host");
const temp = new TempHost({
  imagesType: "lvm",
  plugins: ["@luksmith/backend-lvm", "@luksmith/keymgr-local"],
  sections: ["[libvirt]", `images_volume_group = ${GROUP}`],
  root,
});
const image = temp.addImage(2 * MIB);
try {
  await using host = await temp.write();
  // A group in use: of an empty one LVM tells nothing by its volumes.
  lvcreate("somebodys", 4 * MIB);
  await create(undefined); // the engine's thread starts
  clean();
  await compare([
    ["lvcreate alone", () => lvcreate()],
    ["our create, blank and encrypted", () => create(undefined)],
    ["the same, no header made in idle time", () => create(undefined, false)],
  ]);
  await compare([
    ["lvcreate alone, 4 MiB", () => lvcreate("bench", 4 * MIB)],
    ["our instance of one disk of 2 MiB", () => createWhole(temp, host, image, true)],
    ["the same, name and room asked for one by one", () => createWhole(temp, host, image, false)],
  ]);
  await compare([
    ["lvcreate and dd of 128 MiB, in clear", () => (lvcreate(), dd())],
    ["our create, filled with 128 MiB", () => create(source)],
    ["lvcreate and qemu-img create, convert", () => (lvcreate(), convert())],
  ]);
} finally {
  await Promise.all([source, key, root].map((path) => rm(path, { force: true, recursive: true })));
}
