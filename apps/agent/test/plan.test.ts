import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { MemoryIo } from "./memory-io.ts";
import { TemporaryHost } from "./temporary-host.ts";

let host: TemporaryHost;
beforeEach(async () => void (host = await TemporaryHost.create()));
afterEach(() => host[Symbol.asyncDispose]());

const entries = (): string[] => readdirSync(host.path, { recursive: true }).map(String).sort();
const plan = (
  flavor?: Record<string, unknown>,
): Promise<{ warnings: readonly string[]; disks: { virtual_size: number }[] }> =>
  host.json(["plan", "-f", "-"], host.request(flavor));

describe("plan", () => {
  test("touches nothing: no state directory, no lock, no key", async () => {
    const before = entries();
    expect((await plan()).warnings).toEqual([]);
    expect(entries()).toEqual(before);
  });

  test("works without the image file, and warns", async () => {
    rmSync(join(host.path, "images", host.imageId));
    const { warnings, disks } = await plan();
    expect(warnings).toEqual([expect.stringContaining("ImageNotFound: ")]);
    expect(disks).toHaveLength(3);
  });

  test("needs the image where it decides the size", async () => {
    expect((await plan({ disk: 0 })).disks[0]?.virtual_size).toBe(host.image.length);
    rmSync(join(host.path, "images", host.imageId));
    const io = new MemoryIo({ stdin: JSON.stringify(host.request({ disk: 0 })) });
    const { exitCode, err } = await host.run(["plan", "-f", "-"], io);
    expect([exitCode, err]).toEqual([66, expect.stringContaining("luksmith: ImageNotFound: ")]);
  });

  test("refuses what create would refuse", async () => {
    const flavor = {
      extra_specs: { "hw:ephemeral_encryption": "true", "hw:ephemeral_encryption_format": "plain" },
    };
    const io = new MemoryIo({ stdin: JSON.stringify(host.request(flavor)) });
    const { exitCode, err } = await host.run(["plan", "-f", "-"], io);
    expect([exitCode, err]).toEqual([69, expect.stringContaining("luksmith: UnsupportedEncryptionFormat: ")]);
  });

  test("is a table with numbered steps for people", async () => {
    const io = new MemoryIo({ stdin: JSON.stringify(host.request()) });
    const { out } = await host.run(["plan", "-f", "-"], io);
    expect(out).toMatch(/^DISK +KIND +DEVICE/);
    expect(out).toMatch(/\ndisk\.swap +swap +vdc \(virtio\) +16777216 \(16 MiB\) +18874368 +luks /);
    expect(out).toMatch(/\n1\. open image /);
  });
});
