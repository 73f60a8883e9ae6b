import { createHash, randomUUID } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { GeneratedPassphrase } from "@luksmith/core";
import { findInstance, verifyDisks, WritableHost } from "@luksmith/core/host";
import { expect, test, vi } from "vitest";
import { Random } from "../random.ts";
import { CANARY, randomImage } from "../source-image.ts";
import { tempDirectory } from "../temp-directory.ts";
import { TempHost } from "../temp-host.ts";
import { testContext } from "../workspace.ts";
import { importVolumes } from "./file-volumes.ts";
import { migrateKilled } from "./migrate-killed.ts";
import { addPlainInstance, guestDigest } from "./plain-record.ts";

const KILLS = Number(process.env["LUKSMITH_KILLS"] ?? 20);
const MIB = 1 << 20;
const SIZE = 24 * MIB;
const OPTIONS = { cipher: "aes-xts-plain64", key_size: 512, hash: "ripemd160" };

vi.stubEnv("LUKSMITH_FILE_VOLUMES", "1");

test(`a migration killed at ${KILLS} random moments ends with the same content, and nothing in clear`, async () => {
  const on = new TempHost({
    imagesType: "lvm",
    plugins: ["@luksmith/backend-lvm", "@luksmith/legacy-dmcrypt", "@luksmith/keymgr-local"],
  });
  const chance = new Random(Number(process.env["LUKSMITH_SEED"] ?? Date.now()));
  const compiled = { NODE_COMPILE_CACHE: join(tempDirectory(), "compiled") };
  let kills = 0;
  let longest = 0;
  while (kills < KILLS) {
    const { uuid, digest, secretId } = await plainInstance(on);
    for (;;) {
      // At first nobody knows how long it takes.
      const after = longest === 0 || kills >= KILLS ? undefined : chance.next() * longest;
      const { killed, tookMs } = await migrateKilled(on.configFile, uuid, after, compiled);
      expect(inClear(on)).toEqual([]);
      if (killed) kills += 1;
      else longest = Math.max(longest, tookMs);
      if (!killed) break;
    }
    await using host = await opened(on);
    const { disks } = await findInstance(host, uuid);
    expect(disks.map(({ encryption }) => encryption?.format)).toEqual(["luks"]);
    expect(await guestDigest(host, uuid, testContext())).toBe(digest);
    expect(readdirSync(join(on.instancesPath, uuid))).toEqual(["disk"]);
    const reports = await verifyDisks(host, uuid, testContext());
    expect(reports.every((report) => report.disks.every(({ ok }) => ok))).toBe(true);
    const secrets = await secretIds(host);
    expect(secrets).not.toContain(secretId);
    expect(secrets.length).toBe(host.inventory.instances().length);
  }
}, 600_000);

async function opened(on: TempHost): Promise<WritableHost> {
  const options = { importModule: importVolumes, command: "a test" };
  return await WritableHost.write(await on.config(), options, testContext());
}

/** A plain disk as if it had been made on this host: ciphertext in a file, and its key. */
async function plainInstance(on: TempHost): Promise<{ uuid: string; digest: string; secretId: string }> {
  await using host = await opened(on);
  const ctx = testContext();
  const services = await host.services();
  const uuid = randomUUID();
  using passphrase = GeneratedPassphrase.hexKey(OPTIONS.key_size);
  const { id: secretId } = await services.keys.create({ name: `key of ${uuid}`, passphrase }, ctx);
  const encryption = { format: "plain", secretId, options: OPTIONS } as const;
  const disk = {
    instanceUuid: uuid,
    name: "disk",
    uuid: randomUUID(),
    virtualSize: BigInt(SIZE),
    encryption,
  };
  const image = services.backend("lvm").image(disk);
  mkdirSync(join(on.instancesPath, uuid));
  writeFileSync(image.path, "");
  truncateSync(image.path, SIZE);
  const source = join(tempDirectory(), "content");
  randomImage(source, SIZE);
  // It begins with a partition table.
  const content = readFileSync(source);
  content.fill(0, 446, 510).set([0x55, 0xaa], 510);
  writeFileSync(source, content);
  {
    await using from = await open(source);
    await using bytes = await image.openBytes("write", ctx);
    const end = { fd: from.fd, offset: 0n };
    await services.luks.copy({ from: end, to: bytes.end, length: disk.virtualSize });
  }
  await addPlainInstance(host, uuid, disk.virtualSize, encryption, ctx, disk.uuid);
  return { uuid, digest: createHash("sha256").update(content).digest("hex"), secretId };
}

/** Files of the host that hold the canary. */
function inClear(on: TempHost): readonly string[] {
  const files = readdirSync(on.root, { recursive: true, withFileTypes: true }).filter((each) =>
    each.isFile(),
  );
  const paths = files.map(({ parentPath, name }) => join(parentPath, name));
  return paths.filter((path) => readFileSync(path).includes(CANARY));
}

async function secretIds(host: WritableHost): Promise<readonly string[]> {
  const { keys } = await host.services();
  const ids: string[] = [];
  for await (const { id } of keys.list?.({}, testContext()) ?? []) ids.push(id);
  return ids;
}
