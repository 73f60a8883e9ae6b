import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { exportBundle, inspectBundle } from "@luksmith/core/host";
import { describe, expect, test } from "vitest";
import { type ImagesType } from "./cache-host.ts";
import { expectRefusal } from "./expect-refusal.ts";
import { digestOf } from "./oracles/raw-bytes.ts";
import { runTool } from "./run-tool.ts";
import { addDisk, diskHost } from "./sweep-disk.ts";
import { tempDirectory } from "./temp-directory.ts";
import { passphraseOf } from "./temp-host.ts";
import { testContext } from "./workspace.ts";

const MIB = 1024 * 1024;

/** What an operator does once, on a machine of his own. */
async function makeIdentity(): Promise<{ identity: string; recipient: string }> {
  const identity = join(tempDirectory(), "key.txt");
  await runTool("age-keygen", ["-o", identity]);
  const { stdout } = await runTool("age-keygen", ["-y", identity]);
  return { identity, recipient: stdout.trim() };
}

describe("a recovery bundle", { timeout: 120_000 }, () => {
  test.each<ImagesType>(["raw", "qcow2"])(
    "brings a %s disk back whose header is lost, with age, cryptsetup and qemu-img alone",
    async (imagesType) => {
      const host = diskHost(imagesType, 2 * MIB);
      const { id, path } = await addDisk(host);
      const [mine, theirs] = [await makeIdentity(), await makeIdentity()];
      const bundle = join(tempDirectory(), "host.age");
      let secret = "";
      {
        await using writable = await host.temp.write();
        const recipients = [mine.recipient, theirs.recipient];
        const made = await exportBundle(
          writable,
          { id: undefined, disk: undefined, path: bundle, recipients },
          testContext(),
        );
        expect(made.failed).toEqual([]);
        expect(made.disks).toMatchObject([{ instance: id, path, header: { active_slots: [0] } }]);
        using passphrase = await passphraseOf(writable, made.disks[0]?.secret);
        secret = passphrase.use((bytes) => Buffer.from(bytes).toString());
        // Nothing beside it, and nothing in clear in it.
        expect(readdirSync(join(bundle, ".."))).toEqual(["host.age"]);
        expect(readFileSync(bundle).includes(secret)).toBe(false);
      }
      const inspected = await inspectBundle(bundle, theirs.identity);
      expect(inspected).toMatchObject({
        recipients: ["X25519", "X25519"],
        contents: { disks: [{ instance: id }] },
      });
      expect(JSON.stringify(inspected)).not.toContain(secret);

      // From here on as docs/how-to/recover-from-a-bundle.md says.
      const [disk] = inspected.contents?.disks ?? [];
      const offset = disk?.header_offset ?? 0;
      {
        await using file = await open(path, "r+");
        await file.write(Buffer.alloc(MIB), 0, MIB, offset);
      }
      const place = tempDirectory();
      await runTool("age", ["-d", "-i", mine.identity, "-o", join(place, "bundle.tar.gz"), bundle]);
      await runTool("tar", ["-xzf", join(place, "bundle.tar.gz"), "-C", place]);
      const folder = join(place, "luksmith-recovery", disk?.uuid ?? "");
      const [header, passphrase] = [join(folder, "header"), join(folder, "passphrase")];
      expect(readFileSync(passphrase, "utf8")).toBe(secret);
      const opens = ["open", "--type", "luks1", "--test-passphrase", "--key-file", passphrase];
      await runTool("cryptsetup", [...opens, header]);
      if (imagesType === "raw") {
        await runTool("cryptsetup", ["-q", "luksHeaderRestore", path, "--header-backup-file", header]);
        await runTool("cryptsetup", [...opens, path]);
      } else {
        const seek = `seek=${offset / 512}`;
        await runTool("dd", [`if=${header}`, `of=${path}`, "bs=512", seek, "conv=notrunc", "status=none"]);
      }
      const plain = join(place, "plain");
      const options =
        imagesType === "raw" ? "driver=luks,key-secret=key" : "driver=qcow2,encrypt.key-secret=key";
      const object = ["--object", `secret,id=key,file=${passphrase}`];
      const image = ["--image-opts", `${options},file.filename=${path}`];
      await runTool("qemu-img", ["convert", ...object, ...image, "-O", "raw", plain]);
      expect(await digestOf(plain)).toBe(host.sha256);
    },
  );

  test("is refused without a recipient, with a private key, over another file, and of nothing", async () => {
    const host = diskHost("raw", MIB);
    const { id } = await addDisk(host);
    const { recipient, identity } = await makeIdentity();
    const directory = tempDirectory();
    const taken = join(directory, "taken");
    writeFileSync(taken, "somebody else's");
    await using writable = await host.temp.write();
    const make =
      (path: string, recipients: readonly string[], of: string | undefined = id) =>
      () =>
        exportBundle(writable, { id: of, disk: undefined, path, recipients }, testContext());
    const path = join(directory, "bundle");
    await expectRefusal(make(path, []), "InvalidRequest");
    await expectRefusal(make(path, ["age1nonsense"]), "InvalidRequest");
    const [secret = ""] = /^AGE-SECRET-KEY-\S+$/m.exec(readFileSync(identity, "utf8")) ?? [];
    await expectRefusal(make(path, [secret]), "InvalidRequest");
    await expectRefusal(make(taken, [recipient]), "TargetExists");
    expect(readFileSync(taken, "utf8")).toBe("somebody else's");
    await expectRefusal(make(path, [recipient], "00000000-0000-4000-8000-000000000000"), "InstanceNotFound");
    const { keys } = await writable.services();
    await keys.delete(
      { id: writable.inventory.instance(id)?.disks[0]?.encryption?.secretId ?? "" },
      testContext(),
    );
    await expectRefusal(make(path, [recipient]), "EphemeralEncryptionSecretNotFound");
    expect(readdirSync(directory)).toEqual(["taken"]);
  });

  test("that holds no bundle is told apart from one that the key does not open", async () => {
    const { identity } = await makeIdentity();
    const { recipient } = await makeIdentity();
    const directory = tempDirectory();
    mkdirSync(join(directory, "in"));
    const text = join(directory, "text");
    writeFileSync(text, "nothing");
    await expectRefusal(() => inspectBundle(text, undefined), "FileUnreadable");
    const sealed = join(directory, "sealed.age");
    await runTool("age", ["-r", recipient, "-o", sealed, text]);
    expect((await inspectBundle(sealed, undefined)).recipients).toEqual(["X25519"]);
    await expectRefusal(() => inspectBundle(sealed, identity), "FileUnreadable");
    await expectRefusal(() => inspectBundle(sealed, text), "FileUnreadable");
  });
});
