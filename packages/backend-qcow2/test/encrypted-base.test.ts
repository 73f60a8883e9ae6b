import { randomUUID } from "node:crypto";
import { copyFileSync, rmSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { dirname, join } from "node:path";
import { GeneratedPassphrase, type ImageFile } from "@luksmith/core";
import type { BackendBench } from "@luksmith/testkit";
import { describe, expect, test } from "vitest";
import {
  CANARY,
  rawBytesContain,
  runTool,
  tempDirectory,
  withSecretFile,
} from "../../../testing/src/index.ts";
import { guestDigest, MIB, openBench, overlay, printOf, snapshot } from "./disks.ts";

const FORMATS = ["raw", "qcow2"] as const;
type Format = (typeof FORMATS)[number];

/** An image as a snapshot leaves it: encrypted, its secret in the key manager. */
async function encryptedImage(bench: BackendBench, format: Format) {
  const { image, passphrase } = await overlay(bench, "raw", { virtualSize: 3 * MIB });
  const own = GeneratedPassphrase.create();
  const path = await snapshot(bench, image, format, own);
  const { id: secretId } = await bench.keys.create({ name: randomUUID(), passphrase: own }, bench.ctx);
  const file = await open(path, "r");
  const { size } = await file.stat({ bigint: true });
  const source: ImageFile = {
    id: randomUUID(),
    format,
    path,
    fd: file.fd,
    size,
    virtualSize: BigInt(3 * MIB),
    encryption: { format: "luks", secretId },
    [Symbol.asyncDispose]: () => file.close(),
  };
  return { source, own, secretId, guest: await guestDigest(image.path, "qcow2", passphrase) };
}

const objects = ["a", "b"].flatMap((id, at) => ["--object", `secret,id=${id},file=/dev/fd/${3 + at}`]);

/** An overlay for QEMU, its own secret `a`, its base's `b`. */
function chainOptions(path: string, format: Format): string {
  const below = format === "qcow2" ? "backing.encrypt.key-secret=b" : "backing.key-secret=b";
  return `driver=qcow2,encrypt.key-secret=a,${below},file.driver=file,file.filename=${path}`;
}

/** The guest's bytes of an overlay whose base has a secret of its own, by QEMU. */
async function chainDigest(
  path: string,
  keys: { disk: GeneratedPassphrase; base: GeneratedPassphrase },
  format: Format,
): Promise<string> {
  const plain = join(tempDirectory(), "plain");
  const options = chainOptions(path, format);
  await withSecretFile(keys.disk, (a) =>
    withSecretFile(keys.base, (b) =>
      runTool("qemu-img", ["check", ...objects, "--image-opts", options], { fds: [a, b] }),
    ),
  );
  await withSecretFile(keys.disk, (a) =>
    withSecretFile(keys.base, (b) =>
      runTool("qemu-img", ["convert", ...objects, "--image-opts", options, "-O", "raw", plain], {
        fds: [a, b],
      }),
    ),
  );
  return await guestDigest(plain, "raw");
}

describe("a plain disk", () => {
  test("is not put on an encrypted base", async () => {
    await using bench = await openBench({ forceRaw: false });
    const { source, own } = await encryptedImage(bench, "raw");
    await using file = source;
    const before = await bench.fixture.contents();
    const create = bench.createPlain({ kind: "image", image: file });
    await expect(create).rejects.toMatchObject({ code: "FlavorImageConflict", category: "input" });
    expect(await bench.fixture.contents()).toEqual(before);
    own[Symbol.dispose]();
  });
});

describe.each(FORMATS)("an overlay on an encrypted %s base", (format) => {
  test("is encrypted with a key of its own, and needs the base's secret", async () => {
    await using bench = await openBench({ forceRaw: false });
    const { source, own, secretId, guest } = await encryptedImage(bench, format);
    await using file = source;
    const made = await bench.create({ kind: "image", image: file }, { virtualSize: file.virtualSize });
    const { image, passphrase, disk } = made;
    const backing = disk.backing;
    expect(backing).toMatchObject({ format, secretId, virtualSize: 3 * MIB });
    const base = backing?.file ?? "";
    const before = printOf(base);
    expect(await rawBytesContain(base, CANARY)).toBe(false);
    expect(await chainDigest(image.path, { disk: passphrase, base: own }, format)).toBe(guest);
    expect((await bench.image(disk).verify(bench.ctx)).ok).toBe(true);

    const pattern = join(tempDirectory(), "pattern");
    writeFileSync(pattern, CANARY.repeat(10));
    await withSecretFile(passphrase, (a) =>
      withSecretFile(own, (b) =>
        runTool(
          "qemu-io",
          [...objects, "-c", `write -s ${pattern} 1M 512`, "--image-opts", chainOptions(image.path, format)],
          { fds: [a, b] },
        ),
      ),
    );
    expect(await rawBytesContain(image.path, CANARY)).toBe(false);
    const written = await chainDigest(image.path, { disk: passphrase, base: own }, format);
    expect(written).not.toBe(guest);

    using copied = GeneratedPassphrase.create();
    for (const target of FORMATS) {
      for (const key of [copied, undefined]) {
        expect(await guestDigest(await snapshot(bench, image, target, key), target, key)).toBe(written);
      }
    }
    await image.resize(BigInt(5 * MIB), bench.ctx);
    expect(printOf(base)).toBe(before);

    const grown = bench.image({ ...disk, virtualSize: BigInt(5 * MIB) });
    const copy = join(dirname(base), randomUUID());
    copyFileSync(base, copy);
    await grown.rebase(await grown.proveBase({ file: copy, format }, bench.ctx), bench.ctx);
    await grown.flatten(bench.ctx);
    rmSync(copy);
    const seen = await guestDigest(image.path, "qcow2", passphrase, { length: 3 * MIB });
    expect(seen).toBe(written);
    own[Symbol.dispose]();
  });
});
