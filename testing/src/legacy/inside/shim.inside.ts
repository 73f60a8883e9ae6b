import { closeSync, openSync } from "node:fs";
import { createHash, randomBytes, randomUUID } from "node:crypto";
import {
  deleteById,
  adoptLegacy,
  findInstance,
  listLegacy,
  openLegacy,
  rekeyDisks,
  resizeDisk,
  snapshotDisk,
  verifyDisks,
} from "@luksmith/core/host";
import { GeneratedPassphrase } from "@luksmith/core";
import { diskXml } from "@luksmith/libvirt";
import { placedDisks } from "@luksmith/core/host";
import { describe, expect, test } from "vitest";
import { CANARY } from "../../source-image.ts";
import { passphraseOf } from "../../temp-host.ts";
import { toldMappings } from "../../told-mappings.ts";
import { testContext } from "../../workspace.ts";
import {
  GROUP,
  bootSector,
  holdsCanary,
  mappingOf,
  nth,
  opened,
  plainHost,
  plainInstance,
  refusal,
  sha256,
  tool,
  volumes,
} from "./plain-host.ts";

const NOVA = ["--cipher=aes-xts-plain64", "--key-size=512"];

describe("the shim", () => {
  test("makes disks as Nova does, with one key; what cryptsetup opens is what the guest sees", async () => {
    const on = plainHost();
    await using host = await opened(on);
    const ctx = testContext();
    const { uuid, disks } = await plainInstance(on, host, { swap: 4 });
    expect(disks.map(({ name, path }) => [name, path])).toEqual([
      ["disk", `/dev/${GROUP}/${uuid}_disk`],
      ["disk.swap", `/dev/${GROUP}/${uuid}_disk.swap`],
    ]);
    const [root, swap] = [nth(disks), nth(disks, 1)];
    expect(root.source).toEqual({ type: "block", dev: `/dev/mapper/${uuid}_disk-dmcrypt`, format: "raw" });
    expect(root.encryption!.secretId).toBe(swap.encryption!.secretId);
    expect(root.encryption!.options).toEqual({
      cipher: "aes-xts-plain64",
      key_size: 512,
      hash: "ripemd160",
    });
    const xml = placedDisks(await findInstance(host, uuid)).map((disk) => diskXml(disk));
    for (const each of xml) expect(each).not.toContain("encryption");

    // The guest's view: the image, to the byte.
    const mapping = `/dev/mapper/${mappingOf(root.path)}`;
    expect(tool("head", ["-c", String(CANARY.length), mapping])).toBe(CANARY);
    const shown = sha256(mapping);
    expect(tool("blockdev", ["--getsize64", mapping]).trim()).toBe(String(root.virtualSize));
    expect(tool("blkid", ["-p", "-o", "value", "-s", "TYPE", `/dev/mapper/${mappingOf(swap.path)}`])).toBe(
      "swap\n",
    );
    expect(holdsCanary(root.path)).toBe(false);

    // A copy reads the volume, and leaves the mapping as it was.
    const target = `/tmp/${uuid}.img`;
    const copy = { disk: "disk", target, format: "raw", plain: true } as const;
    await snapshotDisk(host, await findInstance(host, uuid), copy, ctx);
    expect([sha256(target), sha256(mapping)]).toEqual([shown, shown]);
    expect(
      await refusal(resizeDisk(host, await findInstance(host, uuid), "disk", 16n << 20n, ctx)),
    ).toMatchObject({
      code: "UnsupportedOperation",
    });
    expect(await refusal(rekeyDisks(host, await findInstance(host, uuid), undefined, ctx))).toMatchObject({
      code: "UnsupportedOperation",
    });

    // Nova's own command, with the key as Nova gives it, on what we made.
    using key = await passphraseOf(host, root.encryption!.secretId);
    const hex = key.use((bytes) => Buffer.from(bytes).toString("latin1"));
    expect(hex).toMatch(/^[0-9a-f]{128}$/);
    tool("cryptsetup", ["remove", mappingOf(root.path)]);
    const name = randomUUID();
    tool("cryptsetup", ["create", name, root.path, ...NOVA, "--key-file=-"], hex);
    expect(sha256(`/dev/mapper/${name}`, root.virtualSize)).toBe(shown);
    tool("cryptsetup", ["remove", name]);

    // What a reboot takes away comes back, and is the same.
    expect((await openLegacy(host, uuid, ctx)).map(({ error }) => error)).toEqual([undefined, undefined]);
    expect((await openLegacy(host, undefined, ctx)).length).toBe(2);
    expect(sha256(mapping)).toBe(shown);
    const report = nth(await verifyDisks(host, uuid, ctx));
    expect(report.disks.every(({ ok }) => ok)).toBe(true);

    // In use: nothing is removed. Then mappings first, volumes, key.
    const guest = openSync(mapping, "r");
    expect(await refusal(deleteById(host, uuid, { forgetMissing: false }, ctx))).toMatchObject({
      code: "DiskInUse",
    });
    closeSync(guest);
    expect(volumes()).toContain(`${uuid}_disk`);
    await deleteById(host, uuid, { forgetMissing: false }, ctx);
    expect(volumes().filter((each) => each.startsWith(uuid))).toEqual([]);
    expect(tool("dmsetup", ["ls", "--target", "crypt"])).not.toContain(uuid);
    // Made; closed for the copy; closed by hand, of which nobody was told; deleted.
    expect(await toldMappings(host, mapping)).toEqual(["opened", "closed", "opened", "opened", "closed"]);
    expect(await refusal(passphraseOf(host, root.encryption!.secretId))).toMatchObject({
      code: "EphemeralEncryptionSecretNotFound",
    });
  });

  test("adopts a disk that Nova made, and proves hash and key instead of guessing", async () => {
    const on = plainHost({ enabled: false, hash: "sha256" });
    await using host = await opened(on);
    const ctx = testContext();
    const services = await host.services();
    using key = GeneratedPassphrase.hexKey(512);
    using other = GeneratedPassphrase.hexKey(512);
    const { id: secretId } = await services.keys.create({ name: "nova's", passphrase: key }, ctx);
    const { id: wrong } = await services.keys.create({ name: "another", passphrase: other }, ctx);
    const hex = key.use((bytes) => Buffer.from(bytes).toString("latin1"));
    const uuid = randomUUID();
    const lv = `${uuid}_disk`;
    const mapping = `${lv}-dmcrypt`;

    // Nova's commands, to the letter.
    tool("lvcreate", ["-q", "-y", "-Wn", "-L", "8388608b", "-n", lv, GROUP]);
    tool("cryptsetup", ["create", mapping, `/dev/${GROUP}/${lv}`, ...NOVA, "--key-file=-"], hex);
    const content = randomBytes(8 << 20);
    content.write(CANARY, 4096, "latin1");
    tool("dd", [`of=/dev/mapper/${mapping}`, "bs=1M", "oflag=direct", "status=none"], content);
    bootSector(`/dev/mapper/${mapping}`);
    tool("blockdev", ["--flushbufs", `/dev/mapper/${mapping}`]);
    const made = sha256(`/dev/mapper/${mapping}`);

    const found = (await listLegacy(host, ctx)).find((instance) => instance.uuid === uuid);
    expect(found).toMatchObject({
      known: false,
      disks: [{ name: "disk", knownBy: "mapping", cipher: "aes-xts-plain64" }],
    });
    const adopt = (secret: string, options: Record<string, string>, acceptUnproven = false) =>
      adoptLegacy(host, { uuid, secretId: secret, options, projectId: undefined, acceptUnproven }, ctx);
    // While it is open, the mapping is the judge.
    for (const each of [() => adopt(wrong, {}), () => adopt(secretId, { hash: "sha256" })])
      expect(await refusal(each())).toMatchObject({ code: "DiskNotProven" });
    tool("cryptsetup", ["remove", mapping]);
    // Then what is on it.
    for (const each of [
      () => adopt(wrong, {}),
      () => adopt(secretId, { hash: "sha256" }),
      () => adopt(secretId, { hash: "md5" }),
    ])
      expect((await refusal(each())).code).toMatch(/^(DiskNotProven|InvalidRequest)$/);
    expect(await refusal(adopt(randomUUID(), {}))).toMatchObject({
      code: "EphemeralEncryptionSecretNotFound",
    });
    expect(host.inventory.instance(uuid)).toBeUndefined();

    const { disks } = await adopt(secretId, {});
    expect(nth(disks).encryption).toEqual({
      format: "plain",
      secretId,
      options: { cipher: "aes-xts-plain64", key_size: 512, hash: "ripemd160", adopted: true },
    });
    expect(await openLegacy(host, uuid, ctx)).toMatchObject([
      { path: `/dev/mapper/${mapping}`, error: undefined },
    ]);
    expect(sha256(`/dev/mapper/${mapping}`)).toBe(made);

    // A mapping of that name on something else is not ours.
    tool("cryptsetup", ["remove", mapping]);
    tool("lvcreate", ["-q", "-y", "-Wn", "-L", "4M", "-n", "stranger", GROUP]);
    tool(
      "cryptsetup",
      ["create", mapping, `/dev/${GROUP}/stranger`, ...NOVA, "--hash=sha256", "--key-file=-"],
      "x",
    );
    expect(nth(await openLegacy(host, uuid, ctx)).error).toContain("is open on another device");
    tool("cryptsetup", ["remove", mapping]);
    // The key stays Nova's.
    await deleteById(host, uuid, { forgetMissing: false }, ctx);
    using kept = await passphraseOf(host, secretId);
    expect(kept.equals(key)).toBe(true);
  });

  test("a key is not shown: neither to programs nor in logs", async () => {
    const on = plainHost();
    const ctx = testContext();
    await using host = await opened(on, ctx);
    const { uuid, disks } = await plainInstance(on, host, { mib: 1 });
    using key = await passphraseOf(host, nth(disks).encryption!.secretId);
    const hex = key.use((bytes) => Buffer.from(bytes).toString("latin1"));
    const derived = createHash("ripemd160").update(hex).digest("hex");
    // What the kernel has begins with the first round.
    const table = tool("dmsetup", ["table", "--showkeys", mappingOf(nth(disks).path)]);
    expect(table).toContain(derived);
    const said = JSON.stringify(ctx.logged);
    for (const secret of [hex, derived]) expect(said).not.toContain(secret);
    await deleteById(host, uuid, { forgetMissing: false }, ctx);
  });
});
