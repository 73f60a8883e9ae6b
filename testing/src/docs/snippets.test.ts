import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { blocksOf } from "./shell-blocks.ts";

const ROOT = join(import.meta.dirname, "../../..");
const SLOW = 600_000;
const REQUEST = "examples/encrypted-server.json";

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "luksmith-snippets-"));
});
afterAll(() => rm(home, { recursive: true, force: true }));

/** In the checkout, with its Node, as somebody who has nothing but the page; ends at the first command that fails. */
async function shell(script: string): Promise<string> {
  const env = {
    ...process.env,
    HOME: home,
    PATH: `${join(ROOT, "node_modules/.bin")}:${process.env["PATH"]}`,
  };
  const { stdout } = await promisify(execFile)("bash", ["-euo", "pipefail", "-c", script], {
    cwd: ROOT,
    env,
    maxBuffer: 1 << 26,
  });
  return stdout;
}

/** `npm run -s luksmith` looks each time whether something is to be installed or built; that is tested by whoever types it. */
const quick = (script: string): string =>
  script.replace(
    "npm run -s luksmith --",
    `"${process.execPath}" --conditions=luksmith-source apps/agent/bin/luksmith.js`,
  );

describe("what pages tell people to type", () => {
  test(
    "the first encrypted disk, from its folder to its end",
    async () => {
      const blocks = blocksOf("tutorials/first-encrypted-disk.md", "sh");
      expect(blocks[0]).toBe("npm run demo\n");
      const said = await shell(quick(blocks.slice(1).join("\n")));
      expect(said).toMatch(/^it opens$/m);
      expect(said).toMatch(/^the same as the image$/m);
      expect(existsSync(join(home, "luksmith-lab"))).toBe(false);
    },
    SLOW,
  );

  test(
    "recovery with stock tools, of a disk that a guest would have",
    async () => {
      const [laid, image, config, command] = blocksOf("tutorials/first-encrypted-disk.md", "sh").slice(1);
      const [reveal = "", open = "", decrypt = "", snapshot = ""] = blocksOf(
        "how-to/recover-with-cryptsetup.md",
        "sh",
      ).toSpliced(1, 1);
      const filled = (block: string): string =>
        block
          .replaceAll("/path/to/disk", "$DISK")
          .replaceAll("/path/to/snapshot.qcow2", "$LAB/snapshot.qcow2")
          .replaceAll("/path/to/plain", "$LAB/plain")
          .replaceAll("/dev/shm/passphrase", "$LAB/passphrase")
          .replaceAll("cryptsetup", "/sbin/cryptsetup")
          .replaceAll("show ID", "show $ID")
          .replaceAll("reveal SECRET_ID", "reveal $SECRET_ID");
      const same = 'cmp -n 67108864 "$LAB/plain" $LAB/images/* && echo "the same"; rm "$LAB/plain"';
      const value = (path: string): string =>
        `$(luksmith --json show $ID | node -p 'JSON.parse(require("fs").readFileSync(0)).${path}')`;
      const script = [
        laid,
        image,
        config,
        command,
        `luksmith create -f ${REQUEST}`,
        "ID=1f6d3c58-92ab-4d07-8e41-5b7c0a9e2d63; DISK=$LAB/instances/$ID/disk",
        `SECRET_ID=${value("disks[0].encryption_secret_uuid")}`,
        filled(reveal),
        filled(open),
        filled(decrypt),
        same,
        "luksmith --json snapshot $ID disk $LAB/snapshot.qcow2 --format qcow2 > $LAB/snapshot.json",
        `SECRET_ID=$(node -p 'JSON.parse(require("fs").readFileSync(0)).encryption_secret_uuid ?? ""' < $LAB/snapshot.json)`,
        'rm "$LAB/passphrase"',
        filled(reveal),
        filled(snapshot),
        same,
      ];
      const said = await shell(quick(script.join("\n")));
      expect(said.match(/^the same$/gm)).toHaveLength(2);
    },
    SLOW,
  );
});
