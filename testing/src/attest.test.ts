import { createHash } from "node:crypto";
import { closeSync, openSync, readFileSync, readSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import {
  attestDisks,
  createInstance,
  deleteById,
  flattenDisk,
  exportReceipts,
  listReceipts,
  loadConfig,
  signingKey,
  verifyAttestation,
} from "@luksmith/core/host";
import { sharedCeph } from "@luksmith/testing-services";
import { describe, expect, test } from "vitest";
import { luksDump } from "./oracles/cryptsetup.ts";
import { rbdHost } from "./rbd-host.ts";
import { runTool } from "./run-tool.ts";
import { withSecretFile } from "./secret-file.ts";
import { addDisk, type DiskHost, diskHost } from "./sweep-disk.ts";
import { tempDirectory } from "./temp-directory.ts";
import { passphraseOf, tempHost } from "./temp-host.ts";
import { testContext } from "./workspace.ts";

const MIB = 1024 * 1024;
const DAY = 86_400_000;
const POLICY = { keyFile: undefined, nonce: undefined, maxAgeMs: DAY };

type Statement = Awaited<ReturnType<typeof attestDisks>>;

async function attested(
  { temp }: Pick<DiskHost, "temp">,
  request: Parameters<typeof attestDisks>[1] = {},
): Promise<Statement> {
  await using host = await temp.read();
  return await attestDisks(host, request, testContext());
}

/** What an auditor on this host makes of a statement. */
async function judged({ temp }: Pick<DiskHost, "temp">, { envelope }: Statement): Promise<string> {
  const file = join(tempDirectory(), "statement");
  writeFileSync(file, JSON.stringify(envelope));
  const { ok, objections } = await verifyAttestation(await temp.config(), file, POLICY);
  const said = Object.values(objections).flat().join("; ");
  expect(ok).toBe(said === "");
  return said;
}

function overwrite(path: string, at: number, bytes: Uint8Array): void {
  const fd = openSync(path, "r+");
  writeSync(fd, bytes, 0, bytes.length, at);
  closeSync(fd);
}

const text = (length: number): Buffer =>
  Buffer.from("The guest's own words, in clear. ".repeat(length / 32)).subarray(0, length);

/** Puts another header, of cryptsetup's, with the disk's own UUID and passphrase on a raw disk. */
async function reformat(host: DiskHost, id: string, path: string, options: readonly string[]): Promise<void> {
  await using read = await host.temp.read();
  const disk = read.inventory?.instance(id)?.disks[0];
  using passphrase = await passphraseOf(read, disk?.encryption?.secretId);
  const common = [
    "-q",
    "luksFormat",
    "--type",
    "luks1",
    "--uuid",
    disk?.uuid ?? "",
    "--pbkdf-force-iterations",
    "1000",
  ];
  await withSecretFile(passphrase, (fd) =>
    runTool(
      "cryptsetup",
      [...common, "--align-payload", "4096", "--key-file", "/dev/fd/3", ...options, path],
      { fds: [fd] },
    ),
  );
}

describe("an attestation", { timeout: 120_000 }, () => {
  test.each(["raw", "qcow2"] as const)(
    "of an encrypted disk on %s stands up to whoever looks for himself",
    async (imagesType) => {
      const host = diskHost(imagesType, 6 * MIB);
      const { id, path } = await addDisk(host);
      const made = await attested(host, { nonce: "of-the-auditor" });
      expect(await judged(host, made)).toBe("");
      const [disk] = made.statement.disks;
      expect(disk).toMatchObject({
        instance: id,
        path,
        backend: imagesType,
        virtual_size: 6 * MIB,
        unread: null,
      });
      // Nobody has written to the overlay yet.
      expect(disk?.base === null).toBe(imagesType === "raw");
      expect(disk?.sampling?.statistics.judged === 0).toBe(imagesType === "qcow2");
    },
  );

  test("names parameters as cryptsetup does, and places that anybody finds again by the nonce", async () => {
    const host = diskHost("raw", 6 * MIB);
    const { path } = await addDisk(host);
    const made = await attested(host, { nonce: "of-the-auditor", places: 100 });
    const [disk] = made.statement.disks;
    if (!disk) throw new Error("it has one");
    const { header, sampling, uuid } = disk;
    const dump = await luksDump(path);
    expect(`${dump.get("Cipher name")}-${dump.get("Cipher mode")}`).toBe(header?.cipher);
    expect([
      dump.get("Hash spec"),
      dump.get("UUID"),
      dump.get("Payload offset"),
      dump.get("MK bits"),
    ]).toEqual([header?.hash, uuid, String(header?.payload_offset), String(header?.key_bits)]);
    const seed = createHash("sha256").update(`of-the-auditor:${uuid}`).digest("hex").slice(0, 32);
    expect(sampling?.seed).toBe(seed);
    const pieces = (6 * MIB) / 4096;
    const places = new Set([...Array.from({ length: 16 }, (_, i) => i), pieces - 1]);
    for (let i = 0; i < 100; i++) {
      places.add(createHash("sha256").update(`${seed}:${i}`).digest().readUIntBE(0, 6) % pieces);
    }
    const digest = createHash("sha256");
    const fd = openSync(path, "r");
    for (const place of places) {
      const piece = Buffer.alloc(4096);
      readSync(fd, piece, 0, 4096, 4096 * 512 + place * 4096);
      digest.update(piece);
    }
    closeSync(fd);
    expect(sampling?.sha256).toBe(digest.digest("hex"));
  });

  test("of a disk in Ceph; and of one there with its user's words in clear", async () => {
    const ceph = await sharedCeph();
    const { temp, namespace } = await rbdHost(ceph);
    const host: DiskHost = { temp, image: temp.addImage(6 * MIB), sha256: "" };
    const { id } = await addDisk(host);
    const made = await attested(host);
    expect(await judged(host, made)).toBe("");
    expect(made.statement.disks[0]?.sampling?.statistics.judged).toBeGreaterThan(1000);
    const image = `${ceph.pool}/${namespace}/${id}_disk`;
    const copy = join(tempDirectory(), "copy");
    await ceph.rbd(["export", image, copy]);
    overwrite(copy, readFileSync(copy).length - MIB, text(MIB));
    await ceph.rbd(["rm", image]);
    await ceph.rbd(["import", copy, image]);
    expect(await judged(host, await attested(host))).toContain("are not noise");
  });

  test("of a plain disk says that it is plain, whatever it holds", async () => {
    const temp = tempHost();
    const image = temp.addImage(MIB);
    const host = { temp, image, sha256: "" };
    await using writable = await temp.write();
    await createInstance(writable, await temp.request(image, { encrypted: false }), testContext());
    expect(await judged(host, await attested(host))).toContain("it is not encrypted");
  });

  test("of a disk with a region in clear says so", async () => {
    const host = diskHost("raw", 64 * MIB);
    const { path } = await addDisk(host);
    expect(await judged(host, await attested(host))).toBe("");
    // 1 MiB of 64: 2048 places miss it once in 10^14.
    overwrite(path, 2 * MIB + 40 * MIB, text(MIB));
    expect(await judged(host, await attested(host))).toContain("are not noise");
  });

  test("of a disk whose first sector alone is in clear says so: it is always looked at", async () => {
    const host = diskHost("raw", 6 * MIB);
    const { path } = await addDisk(host);
    overwrite(path, 2 * MIB, text(512));
    const made = await attested(host, { places: 1 });
    expect(await judged(host, made)).toContain("1 of ");
  });

  test("of clusters of a qcow2 image that are in clear says so", async () => {
    const host = diskHost("qcow2", 6 * MIB);
    const { id, path } = await addDisk(host);
    {
      await using writable = await host.temp.write();
      await flattenDisk(writable, writable.inventory.instance(id)!, "disk", testContext());
    }
    const made = await attested(host);
    expect(await judged(host, made)).toBe("");
    expect(made.statement.disks[0]?.sampling?.statistics.judged).toBeGreaterThan(5000);
    // The last cluster of the file is one of the guest's.
    overwrite(path, readFileSync(path).length - 65_536, text(65_536));
    expect(await judged(host, await attested(host))).toContain("are not noise");
  });

  test("of a header that another has made, with the right passphrase, says what is other about it", async () => {
    const host = diskHost("raw", 6 * MIB);
    const { id, path } = await addDisk(host);
    await reformat(host, id, path, [
      "--cipher",
      "aes-cbc-essiv:sha256",
      "--key-size",
      "256",
      "--hash",
      "sha1",
    ]);
    const made = await attested(host);
    expect(made.statement.disks[0]?.checks.find(({ name }) => name === "passphrase")?.result).toBe("pass");
    const said = await judged(host, made);
    for (const part of ["aes-cbc-essiv:sha256", "sha1", "256, not 512"]) expect(said).toContain(part);
    await reformat(host, id, path, ["--cipher", "aes-xts-plain64", "--key-size", "512", "--hash", "sha256"]);
    expect(await judged(host, await attested(host))).toBe("");
    // One more key.
    await using read = await host.temp.read();
    using passphrase = await passphraseOf(read, read.inventory?.instance(id)?.disks[0]?.encryption?.secretId);
    const other = join(tempDirectory(), "other");
    writeFileSync(other, "somebody else's");
    await withSecretFile(passphrase, (fd) =>
      runTool(
        "cryptsetup",
        ["-q", "luksAddKey", "--pbkdf-force-iterations", "1000", "--key-file", "/dev/fd/3", path, other],
        { fds: [fd] },
      ),
    );
    expect(await judged(host, await attested(host))).toContain("2 key slots open it");
    overwrite(path, 0, Buffer.alloc(4096));
    const gone = await judged(host, await attested(host));
    for (const part of ["header could not be read", "header: ", "passphrase: "]) expect(gone).toContain(part);
  });

  test("of a disk whose stored passphrase does not open it says so", async () => {
    const host = diskHost("raw", 6 * MIB);
    const { path } = await addDisk(host);
    const header = readFileSync(path).subarray(4096, 300_000);
    overwrite(
      path,
      4096,
      header.map((byte) => byte ^ 1),
    );
    expect(await judged(host, await attested(host))).toContain("passphrase: ");
  });

  test("convinces whoever has the host's key alone, and nobody once it was changed", async () => {
    const host = diskHost("raw", MIB);
    const { id } = await addDisk(host);
    const { envelope } = await attested(host);
    const auditor = tempDirectory();
    const away = await loadConfig({ files: [tempHost().configFile] });
    const [file, key, stranger] = ["statement", "host.pem", "stranger.pem"].map((name) =>
      join(auditor, name),
    ) as [string, string, string];
    const verify = (keyFile: string | undefined) => verifyAttestation(away, file, { ...POLICY, keyFile });
    writeFileSync(file, JSON.stringify(envelope));
    await expect(verify(undefined)).rejects.toMatchObject({ code: "SignerUnknown" });
    writeFileSync(key, (await signingKey(await host.temp.config())).publicPem);
    expect(await verify(key)).toMatchObject({ ok: true });
    writeFileSync(stranger, (await signingKey(away)).publicPem);
    await expect(verify(stranger)).rejects.toMatchObject({ code: "SignerUnknown" });
    const payload = Buffer.from(envelope.payload, "base64").toString().replace(id, id.replace(/^./, "0"));
    writeFileSync(
      file,
      JSON.stringify({ ...envelope, payload: Buffer.from(`${payload} `).toString("base64") }),
    );
    await expect(verify(key)).rejects.toMatchObject({ code: "SignatureInvalid" });
    // A receipt of the same host is no attestation.
    await using writable = await host.temp.write();
    await deleteById(writable, id, { forgetMissing: false }, testContext());
    const [receipt] = await exportReceipts(await listReceipts(writable, id), auditor);
    const policy = { ...POLICY, keyFile: key };
    await expect(verifyAttestation(away, receipt?.path ?? "", policy)).rejects.toMatchObject({
      code: "SignatureInvalid",
    });
  });
});
