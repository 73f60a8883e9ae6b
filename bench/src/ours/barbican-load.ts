import { randomUUID } from "node:crypto";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { givenToken, type OpContext, Passphrase, silentLogger } from "@luksmith/core";
import { createInstance, loadConfig, parseRequest, WritableHost } from "@luksmith/core/host";
import {
  type Fault,
  FaultProxy,
  faults,
  type OwnOpenStack,
  startOpenStack,
} from "@luksmith/testing-services";
import { bareSecrets } from "../peers/bare-barbican.ts";

/** What this program prints, as one JSON document; times in ms. */
export interface BarbicanLoad {
  readonly creates: readonly number[];
  readonly seconds: number;
  /** Seconds in which a bare client makes and reads as many secrets at the same concurrency. */
  readonly bareSeconds: number;
  /** Megabytes held after garbage collection, after a tenth of the creates, half, and all. */
  readonly rss: readonly number[];
  /** By error code. */
  readonly failed: Readonly<Record<string, number>>;
  /** Requests that the proxy spoiled, of all. */
  readonly spoiled: readonly [spoiled: number, all: number];
  /** After one recovery against a server that is well again. */
  readonly disksWithoutSecret: number;
  readonly secretsWithoutDisk: number;
  readonly duplicates: number;
}

const IMAGE_BYTES = 1024 ** 2;
const [directory = "", countText = "", concurrencyText = "", shareText = "0"] = process.argv.slice(2);
const [count, concurrency, share] = [Number(countText), Number(concurrencyText), Number(shareText)];
const FAULTS: readonly Fault[] = [
  faults.status(500, "oops"),
  faults.badGateway(),
  faults.dropBefore(),
  faults.dropAfter(),
];

await using openstack = await startOpenStack({ services: ["barbican"] });
await using proxy = await FaultProxy.start(openstack.urls.barbican);
const ctx = await userContext(openstack);
const bareSeconds = share === 0 ? await bareSecrets(openstack, proxy.url, count, concurrency) : 0;
let spoiled = 0;
const heal = proxy.on(() => {
  if (Math.random() >= share) return undefined;
  spoiled++;
  return FAULTS[Math.floor(Math.random() * FAULTS.length)];
});
const load = await run();
process.stdout.write(JSON.stringify(load));

async function userContext(cloud: OwnOpenStack): Promise<OpContext> {
  const token = new Passphrase(Buffer.from(await cloud.issueToken("alice")));
  const signal = new AbortController().signal;
  return { requestId: `req-${randomUUID()}`, signal, log: silentLogger, userToken: givenToken(token) };
}

async function run(): Promise<BarbicanLoad> {
  const image = randomUUID();
  const config = await loadConfig({ files: [writeHost(image)] });
  const creates: number[] = [];
  const rss: number[] = [];
  const failed: Record<string, number> = {};
  const options = { importModule: (name: string) => import(name), command: "bench" };
  const marks = new Set([count / 10, count / 2, count]);
  let begun = 0;
  let ended = 0;
  const start = performance.now();
  let seconds: number;
  {
    await using host = await WritableHost.write(config, options, ctx);
    const worker = async (): Promise<void> => {
      while (begun < count) {
        begun++;
        const at = performance.now();
        try {
          await createInstance(host, await parseRequest(requestOf(image)), ctx);
          creates.push(performance.now() - at);
        } catch (error) {
          // Asserted: everything that operations throw on purpose has a code.
          const code = (error as { code?: string }).code ?? String(error);
          failed[code] = (failed[code] ?? 0) + 1;
        }
        ended++;
        if (marks.has(ended)) rss.push(heldMegabytes());
      }
    };
    await Promise.all(Array.from({ length: concurrency }, worker));
    seconds = (performance.now() - start) / 1000;
  }
  heal();
  const all = proxy.count();
  const left = await compareWithBarbican(config, options);
  return { creates, seconds, bareSeconds, rss, failed, spoiled: [spoiled, all], ...left };
}

/** Opens the host again, which recovers, and compares what it has with what Barbican has. */
async function compareWithBarbican(
  config: Awaited<ReturnType<typeof loadConfig>>,
  options: { importModule: (name: string) => Promise<unknown>; command: string },
): Promise<Pick<BarbicanLoad, "disksWithoutSecret" | "secretsWithoutDisk" | "duplicates">> {
  await using host = await WritableHost.write(config, options, ctx);
  const disks = host.inventory.instances().flatMap((instance) => instance.disks);
  const needed = new Set(disks.flatMap(({ encryption }) => encryption?.secretId ?? []));
  const files = readdirSync(config.DEFAULT.instances_path).filter((name) => name.includes("-"));
  if (files.length !== host.inventory.instances().length)
    throw new Error("a disk that the inventory does not know");
  const names: string[] = [];
  let found = 0;
  let foreign = 0;
  for (const { secret_ref: ref, name } of await openstack.listSecrets("alice")) {
    if (!name?.startsWith("Ephemeral encryption secret")) continue;
    names.push(name);
    if (needed.has(ref.slice(-36))) found++;
    else foreign++;
  }
  return {
    disksWithoutSecret: needed.size - found,
    secretsWithoutDisk: foreign,
    duplicates: names.length - new Set(names).size,
  };
}

function writeHost(image: string): string {
  const [instances, images] = [join(directory, "instances"), join(directory, "images")];
  for (const path of [instances, images]) mkdirSync(path);
  writeFileSync(join(images, image), Buffer.alloc(IMAGE_BYTES, "luksmith"));
  const file = join(directory, "luksmith.conf");
  writeFileSync(
    file,
    `[DEFAULT]\ninstances_path = ${instances}\n[libvirt]\nimages_type = raw\n` +
      `[luksmith]\nplugins = @luksmith/backend-raw, @luksmith/keymgr-barbican\n` +
      `state_path = ${join(directory, "state")}\nimages_path = ${images}\n` +
      `[barbican]\nauth_endpoint = ${openstack.urls.keystone}\nbarbican_endpoint = ${proxy.url}\n`,
  );
  return file;
}

function requestOf(image: string): Record<string, unknown> {
  const extra_specs = { "hw:ephemeral_encryption": "true" };
  const flavor = { vcpus: 1, ram: 64, disk: 0, ephemeral: 0, swap: 0, extra_specs };
  return {
    server: { id: randomUUID(), name: "load", image: { id: image }, flavor },
    image: { id: image, disk_format: "raw", container_format: "bare", status: "active", size: IMAGE_BYTES },
  };
}

function heldMegabytes(): number {
  globalThis.gc?.();
  return process.memoryUsage.rss() / 1e6;
}
