import { execFile, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { beforeAll, expect, test } from "vitest";
import { type DmKernel, sharedDmKernel } from "../src/index.ts";

const run = promisify(execFile);
let kernel: DmKernel;

beforeAll(async () => {
  kernel = await sharedDmKernel();
}, 300_000);

test("commands have their arguments, input, both outputs and exit code, to the byte", async () => {
  const odd = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
  const script = 'cat; printf %s "$1" >&2; printf %s "$KEPT" >&2; exit 7';
  const argument = `it's "so" $HOME\n`;
  const result = await kernel.run(["/bin/sh", "-c", script, "sh", argument], {
    stdin: odd,
    env: { KEPT: "a b" },
  });
  expect(result.stdout.equals(odd)).toBe(true);
  expect(result.stderr.toString()).toBe(`${argument}a b`);
  expect(result.exitCode).toBe(7);
});

test("this machine's programs find LVM and cryptsetup of the guest in a PATH, with input and exit code", async () => {
  await using group = await kernel.volumeGroup();
  const bin = kernel.commandDirectory;
  await run(join(bin, "lvcreate"), ["-q", "-y", "-L", "8M", "-n", "one", group.name]);
  const { stdout } = await run(join(bin, "lvs"), ["--noheadings", "-o", "lv_name", group.name]);
  expect(stdout.trim()).toBe("one");
  const device = `/dev/${group.name}/one`;
  const options = ["--type=luks1", "--pbkdf-force-iterations=1000", "--key-file=-"];
  const format = spawn(join(bin, "cryptsetup"), ["-q", "luksFormat", ...options, device]);
  format.stdin.end("a passphrase");
  expect(await once(format, "exit")).toEqual([0, null]);
  const open = spawn(join(bin, "cryptsetup"), ["open", "--test-passphrase", "--key-file=-", device]);
  open.stdin.end("another passphrase");
  expect(await once(open, "exit")).toEqual([2, null]);
}, 60_000);

test("who ends a program here ends it there", async () => {
  const seconds = `600.${process.pid}`;
  const abandoned = spawn(process.execPath, [
    "-e",
    `const s = require("node:net").connect(${JSON.stringify(kernel.info.socket)});
     s.write(JSON.stringify({ run: { argv: ["/bin/sleep", "${seconds}"] } }) + "\\n");
     setTimeout(() => {}, 60000);`,
  ]);
  const sleeping = async (): Promise<boolean> => {
    const find = `cat /proc/[0-9]*/cmdline | tr '\\0' ' '`;
    return (await kernel.must(["/bin/sh", "-c", `${find} 2>/dev/null; true`])).includes(seconds);
  };
  await expect.poll(sleeping, { timeout: 20_000 }).toBe(true);
  abandoned.kill("SIGKILL");
  await expect.poll(sleeping, { timeout: 20_000 }).toBe(false);
}, 60_000);

test("a volume group goes with its borrower, and its disk is lent again", async () => {
  const disks: string[] = [];
  for (let round = 0; round < 7; round++) {
    await using group = await kernel.volumeGroup(["--physicalextentsize=1M"]);
    disks.push(group.disk);
    await kernel.must(["lvcreate", "-q", "-y", "-l", "1", "-n", "left", group.name]);
  }
  expect(disks.length).toBe(7);
  // Other tests have groups of their own.
  expect(new Set(disks).size).toBeLessThan(7);
}, 120_000);

test("what is shared has one name and one content on both sides; what is written to the workspace stays there", async () => {
  const file = join(kernel.sharedDirectory, randomUUID());
  await writeFile(file, "from outside");
  expect(await kernel.must(["cat", file])).toBe("from outside");
  await kernel.must(["/bin/sh", "-c", `printf inside > '${file}'`]);
  expect(await readFile(file, "utf8")).toBe("inside");
  const written = join(kernel.info.workspace, randomUUID());
  await kernel.must(["touch", written]);
  expect(existsSync(written)).toBe(false);
});

test("a kernel ends with its starter, also when that is killed", async () => {
  const source = JSON.stringify(new URL("../src/dm-kernel/start-dm-kernel.ts", import.meta.url).href);
  const program = `const { startDmKernel } = await import(${source});
    const kernel = await startDmKernel();
    console.log(kernel.sharedDirectory);
    setInterval(() => {}, 1000);`;
  const starter = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [shared] = (await once(createInterface({ input: starter.stdout }), "line")) as [string];
  const ours = async (): Promise<boolean> =>
    await run("pgrep", ["-f", `luksmith.control=${shared}`]).then(
      () => true,
      () => false,
    );
  expect(await ours()).toBe(true);
  starter.kill("SIGKILL");
  await expect.poll(ours, { timeout: 20_000 }).toBe(false);
}, 180_000);
