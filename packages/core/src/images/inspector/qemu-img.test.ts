import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fileSource } from "./byte-source.ts";
import { gptDisk, isoDisk, mbrDisk } from "./fixtures/disks.ts";
import { CREATED } from "./fixtures/qemu-created.ts";
import { testContext } from "./fixtures/inspect-bytes.ts";
import { inspectImage } from "./inspect-image.ts";

/** QEMU's name where it is not ours. */
const OURS: Readonly<Record<string, string>> = { vpc: "vhd" };

function hasQemuImg(): boolean {
  try {
    execFileSync("qemu-img", ["--version"]);
    return true;
  } catch {
    return false;
  }
}

/** One attempt more where `qemu-img` cannot measure PBKDF2 on a busy machine. */
function qemuImg(...args: string[]): string {
  for (let attempt = 0; ; attempt++) {
    try {
      return execFileSync("qemu-img", args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
    } catch (error) {
      if (attempt === 4) throw error;
    }
  }
}

/** Two seconds each: QEMU measures PBKDF2 first. */
const ENCRYPTED = "--object";
const SIZES = ["11M", "3000000512"];
/** What a disk with data is converted to, with the options of `qemu-img convert`. */
const FILLED: [format: string, ...options: string[]][] = [
  ["qcow2"],
  ["qcow2", "-c"],
  ["vmdk"],
  ["vmdk", "-o", "subformat=streamOptimized"],
  ["vpc", "-o", "force_size=on"],
  ["vpc", "-o", "force_size=on,subformat=fixed"],
  ["vhdx"],
  ["vhdx", "-o", "subformat=fixed"],
  ["vdi"],
  ["qed"],
  ["parallels"],
];

describe.skipIf(!hasQemuImg())("the inspector and qemu-img", () => {
  let folder: string;
  let path: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "luksmith-inspector-"));
    path = join(folder, "image");
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  async function both(): Promise<{ ours: unknown; theirs: unknown; codes: string[] }> {
    const file = await open(path);
    try {
      const inspection = await inspectImage(fileSource(file, BigInt(statSync(path).size)), testContext);
      const [match] = inspection.matches;
      return {
        ours: inspection.matches.map(({ format, virtualSize }) => ({ format, size: Number(virtualSize) })),
        theirs: [qemuInfo(match?.format === "vhd" ? ["-f", "vpc"] : [])],
        codes: inspection.matches.flatMap(({ refusals }) => refusals.map(({ code }) => code)),
      };
    } finally {
      await file.close();
    }
  }

  /** QEMU does not probe for the footer of a fixed VHD, hence the format in that case. */
  function qemuInfo(format: string[]): { format: string; size: number } {
    const info: unknown = JSON.parse(qemuImg("info", ...format, "--output=json", path));
    const { format: name, "virtual-size": size } = info as { format: string; "virtual-size": number };
    return { format: OURS[name] ?? name, size };
  }

  describe.each(SIZES)("agree on an image of %s bytes:", (size) => {
    it.each(CREATED.filter((created) => size === "11M" || !created.includes(ENCRYPTED)))(
      "%s %s %s %s",
      async (format, ...options) => {
        rmSync(path, { force: true });
        // A fixed or preallocated file of 3 GB says nothing new.
        const large = size !== "11M" && /fixed|Flat|static|preallocation|512/u.test(options.join());
        qemuImg("create", "-q", "-f", format, ...options, path, large ? "11M" : size);
        const { ours, theirs } = await both();
        expect(ours).toEqual(theirs);
      },
    );
  });

  it.each(FILLED)(
    "agree on a disk converted to %s %s %s, and refuse nothing but the format",
    async (format, ...options) => {
      const raw = join(folder, "raw");
      rmSync(path, { force: true });
      qemuImg("create", "-q", "-f", "raw", raw, "24M");
      execFileSync("qemu-io", ["-f", "raw", "-c", "write -P 7 1M 3M", "-c", "write -P 9 20M 64k", raw]);
      qemuImg("convert", "-q", "-f", "raw", "-O", format, ...options, raw, path);
      const { ours, theirs, codes } = await both();
      expect(ours).toEqual(theirs);
      expect(codes.filter((code) => !code.endsWith("Unsupported"))).toEqual([]);
    },
  );

  it.each([
    ["a GPT disk", gptDisk],
    ["an MBR disk", mbrDisk],
  ])("agree that %s is raw", async (_, build) => {
    await writeImage(build());
    const { ours, theirs } = await both();
    expect(ours).toEqual(theirs);
  });

  it("call an ISO iso and raw, and agree on its size", async () => {
    await writeImage(isoDisk());
    expect(await both()).toMatchObject({
      ours: [{ format: "iso", size: 65_536 }],
      theirs: [{ format: "raw", size: 65_536 }],
    });
  });

  async function writeImage(bytes: Buffer): Promise<void> {
    const file = await open(path, "w");
    await file.writeFile(bytes);
    await file.close();
  }
});
