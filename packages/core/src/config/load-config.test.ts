import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadConfig } from "./load-config.ts";

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "luksmith-config-"));
});
afterAll(() => rm(directory, { recursive: true }));

async function file(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, content);
  return path;
}

describe("which files are read", () => {
  test("named ones, merged in order, instead of the default ones", async () => {
    const nova = await file("nova.conf", "[libvirt]\nimages_type = lvm\nvirt_type = qemu\n");
    const ours = await file("luksmith.conf", "[libvirt]\nimages_type = rbd\n");
    const config = await loadConfig({ files: [nova, ours], defaultFiles: [join(directory, "absent")] });
    expect(config.files).toEqual([nova, ours]);
    expect(config.libvirt.images_type).toBe("rbd");
    expect(config.libvirt.virt_type).toBe("qemu");
  });

  test("else the default ones that are there", async () => {
    const ours = await file("only.conf", "[luksmith]\nlog_level = warn\n");
    const defaultFiles = [join(directory, "absent"), join(ours, "not-a-directory"), ours];
    const config = await loadConfig({ files: [], defaultFiles });
    expect(config.files).toEqual([ours]);
    expect(config.luksmith.log_level).toBe("warn");
  });

  test("or none", async () => {
    const config = await loadConfig({ defaultFiles: [] });
    expect(config.luksmith.log_level).toBe("info");
  });
});

describe("what cannot be read", () => {
  test("a named file that is not there", async () => {
    const missing = join(directory, "missing.conf");
    await expect(loadConfig({ files: [missing] })).rejects.toMatchObject({
      code: "ConfigNotFound",
      message: `${missing}: there is no such configuration file`,
      details: { file: missing },
    });
  });

  test.each([
    ["a directory", () => Promise.resolve(directory), /: cannot be read \(EISDIR\)$/],
    ["no text", () => file("binary.conf", Uint8Array.of(0x5b, 0xff, 0xfe)), /: is not UTF-8 text$/],
    ["too large a file", () => file("large.conf", "#".repeat(1024 * 1024 + 1)), /: is larger than 1 MiB$/],
  ])("%s, named or by default", async (_, make, message) => {
    const path = await make();
    for (const options of [{ files: [path] }, { defaultFiles: [path] }]) {
      const loading = loadConfig(options);
      await expect(loading).rejects.toMatchObject({ code: "ConfigInvalid" });
      await expect(loading).rejects.toThrow(message);
    }
  });

  test("a file of just the limit is fine", async () => {
    const path = await file("limit.conf", "#".repeat(1024 * 1024));
    await expect(loadConfig({ files: [path] })).resolves.toBeDefined();
  });
});
