import { createSectorCipher, formatContainer, GeneratedPassphrase, unlock } from "@luksmith/luks";
import { describe, expect, it } from "vitest";
import { bytesSource, type ByteSource } from "./byte-source.ts";
import { gptDisk } from "./fixtures/disks.ts";
import { checkBytes, inspectBytes, testContext } from "./fixtures/inspect-bytes.ts";
import { seed } from "./fixtures/seed.ts";
import { inspectInner, luksPayload } from "./inspect-inner.ts";

const PAYLOAD = 4096 * 512;

/** A LUKS container that holds these bytes, and how to open it. */
function containerOf(content: Buffer): { container: Buffer; passphrase: GeneratedPassphrase } {
  const passphrase = GeneratedPassphrase.create();
  const { writes, volumeKey } = formatContainer({ uuid: "6a1f2c84-3b7d-4e59-9c0a-d8e5b71f4a26", passphrase });
  const payload = Buffer.concat([content, Buffer.alloc((512 - (content.length % 512)) % 512)]);
  createSectorCipher(volumeKey).encrypt(payload, 0);
  volumeKey[Symbol.dispose]();
  const container = Buffer.concat([Buffer.alloc(PAYLOAD), payload]);
  for (const { offset, bytes } of writes) container.set(bytes, offset);
  return { container, passphrase };
}

/** What a caller does: inspect, unlock, compose. */
async function decrypted(content: Buffer): Promise<ByteSource> {
  const { container, passphrase } = containerOf(content);
  const image = await checkBytes(container, "luks", { allowEncrypted: true });
  const facts = image.match.format === "luks" ? image.match.facts : undefined;
  if (!facts) throw new Error("no LUKS facts");
  const { volumeKey } = unlock(container, passphrase);
  return luksPayload(bytesSource(container), facts.payloadOffset, createSectorCipher(volumeKey));
}

describe("inspectInner", () => {
  it("accepts a plain disk inside", async () => {
    const image = await inspectInner(await decrypted(gptDisk()), testContext);
    expect(image).toMatchObject({ format: "raw", virtualSize: 1n << 20n, partitionTable: { kind: "gpt" } });
  });

  it.each(["qcow2", "qcow2-backing", "vmdk-sparse", "vhd-fixed", "luks"] as const)(
    "refuses %s inside, which the outside cannot show",
    async (name) => {
      const inner = inspectInner(await decrypted(seed(name)), testContext, { subject: "image 6a1f" });
      await expect(inner).rejects.toMatchObject({ code: "ImageFormatMismatch" });
      await expect(inner).rejects.toThrow(/^the decrypted content of image 6a1f is declared raw/u);
    },
  );
});

describe("luksPayload", () => {
  it("reads any bytes of the plaintext", async () => {
    const content = Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 7) & 0xff));
    const source = await decrypted(content);
    expect(source.size).toBe(4096n);
    for (const [at, length] of [
      [0, 4096],
      [1, 1],
      [511, 2],
      [513, 1500],
      [4000, 500],
      [4096, 10],
      [9999, 10],
    ] as const) {
      const bytes = await source.read(BigInt(at), length);
      expect(Buffer.from(bytes)).toEqual(content.subarray(at, at + length));
    }
  });

  it("is empty where the container ends before its payload", async () => {
    const cipher = { sectorSize: 512, encrypt() {}, decrypt() {} } as const;
    const source = luksPayload(bytesSource(Buffer.alloc(100)), 2n << 20n, cipher);
    expect(source.size).toBe(0n);
    expect(await source.read(0n, 512)).toHaveLength(0);
  });
});

it("an encrypted container hides its content from the outer inspection", async () => {
  const { container } = containerOf(seed("qcow2-backing"));
  const { matches } = await inspectBytes(container);
  expect(matches.map(({ format }) => format)).toEqual(["luks"]);
});
