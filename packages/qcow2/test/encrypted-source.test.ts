import { randomUUID } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { createSectorCipher, formatContainer, GeneratedPassphrase, LuksEngine } from "@luksmith/luks";
import { afterAll, describe, expect, it } from "vitest";
import { makeImage, Qcow2File, Qcow2Writer, readGuest } from "../src/index.ts";
import { CANARY, source } from "./guest-content.ts";
import { check, hasQemu, must, opened } from "./qemu.ts";
import { Workspace } from "./workspace.ts";

const MIB = 1024 * 1024;
const engine = new LuksEngine({ threads: 2 });
afterAll(() => engine[Symbol.asyncDispose]());

describe.skipIf(!hasQemu)("an image that is filled from an encrypted source", () => {
  it.each([true, false])("is what that decrypts to; encrypted anew: %s", async (encrypted) => {
    await using space = new Workspace();
    const { path: plain, data } = source(space, 70 * MIB + 1536);
    data.fill(0, 20 * MIB, 60 * MIB);
    writeFileSync(plain, data);
    using own = GeneratedPassphrase.create();
    using theirs = formatContainer({ uuid: randomUUID(), passphrase: own }).volumeKey;
    const sealed = Buffer.from(data);
    createSectorCipher(theirs).encrypt(sealed, 0);
    const path = space.file();
    writeFileSync(path, Buffer.concat([Buffer.alloc(4096, 7), sealed]));
    const from = { fd: (await space.handle(path, "r")).fd, offset: 4096n, volumeKey: theirs };

    using passphrase = GeneratedPassphrase.create();
    const copy = space.file();
    const handle = await space.handle(copy, "wx+");
    const uuid = randomUUID();
    const virtualSize = BigInt(data.length);
    const encryption = { uuid, passphrase, iterations: 1000 };
    using made = await makeImage(handle, engine, { virtualSize, ...(encrypted ? { encryption } : {}) });
    const { image, volumeKey } = made;
    expect(volumeKey === undefined).toBe(!encrypted);
    const writer = await Qcow2Writer.open(image, engine);
    const key = volumeKey ? { volumeKey } : {};
    await writer.write({ from, extents: [{ start: 0n, length: virtualSize }], ...key });
    await writer.finish();

    const seen = { path: copy, ...(encrypted ? { key: space.key(passphrase) } : {}) };
    check(seen);
    const secret = opened(seen);
    const target = secret.at(-1) ?? "";
    must(
      "qemu-img",
      "compare",
      ...secret.slice(0, -2),
      "--image-opts",
      target,
      `driver=raw,file.filename=${plain}`,
    );
    const bytes = readFileSync(copy);
    expect(bytes.includes(CANARY)).toBe(!encrypted);
    // Zeros behind the encryption take no room.
    expect(bytes.length).toBeLessThan(35 * MIB);
    expect(bytes.includes(uuid)).toBe(encrypted);
    const reread = await Qcow2File.open(handle);
    const cipher = volumeKey ? { cipher: createSectorCipher(volumeKey) } : {};
    const tail = await readGuest(reread, { start: virtualSize - 1536n, length: 1536 }, cipher);
    expect(Buffer.from(tail).equals(data.subarray(-1536))).toBe(true);
  });
});

describe("makeImage", () => {
  it("makes no image of a size that none can have", async () => {
    await using space = new Workspace();
    const handle = await space.handle(space.file(), "wx+");
    const made = makeImage(handle, engine, { virtualSize: 1000n });
    await expect(made).rejects.toMatchObject({ code: "Qcow2RequestInvalid" });
    expect((await handle.stat()).size).toBe(0);
  });
});
