/**
 * The main job, shown: a real Nova server and Glance image become encrypted disks, and tools that we did not write
 * prove it. Uses a folder of its own and leaves nothing.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import {
  contains,
  cryptsetupOpens,
  type Disk,
  holdsImage,
  qemuOpens,
  readsCanary,
  writeCanary,
} from "./demo/proofs.ts";
import { must } from "./demo/shell.ts";

const ROOT = resolve(import.meta.dirname, "..");
const REQUEST = join(ROOT, "examples", "encrypted-server.json");
const CANARY_BYTE = 0x5a;
const IMAGE_TEXT = "this text is on the image of the demo";

const started = performance.now();
const folder = mkdtempSync(join(tmpdir(), "luksmith-demo-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(130));
let failures = 0;

const request = JSON.parse(readFileSync(REQUEST, "utf8")) as {
  server: {
    id: string;
    name: string;
    flavor: { original_name: string; extra_specs: Record<string, string> };
  };
  image: { id: string; name: string; size: number };
};
const image = prepare();

say(
  `Request   ${REQUEST.slice(ROOT.length + 1)}: server ${request.server.name}, flavor ${request.server.flavor.original_name}`,
);
for (const [key, value] of Object.entries(request.server.flavor.extra_specs))
  say(`          ${key} = ${value}`);
say(`Image     ${request.image.name}: ${request.image.size} bytes of ext4, made for this demo\n`);

const created = timed(() => json("create", "-f", REQUEST) as { disks: Disk[] });
say(
  `luksmith create: ${created.result.disks.length} disks in ${created.ms} ms, process start and filling included`,
);
for (const disk of created.result.disks) {
  say(`\n${disk.name}   ${disk.virtual_size} bytes for the guest   ${disk.path}`);
  prove(disk);
}
say(`\nThe root disk's XML, ready for a libvirt domain\n${created.result.disks[0]?.xml.trimEnd() ?? ""}`);

const inspected = luksmith("inspect", created.result.disks[0]?.path ?? "");
say(`\nluksmith inspect\n${inspected.toString().trimEnd()}\n`);

const root = created.result.disks[0];
if (root) {
  json("resize", request.server.id, "disk", "2GiB");
  check("resized to 2 GiB: luksmith verify agrees", verifies());
  const copy = join(folder, "snapshot.luks");
  const snapshot = json("snapshot", request.server.id, "disk", copy) as { uuid: string };
  check(
    "snapshot encrypted with a key of its own: the image's text is not in its bytes",
    !contains(copy, Buffer.from(IMAGE_TEXT)),
  );
  luksmith("delete", snapshot.uuid);
}
luksmith("delete", request.server.id);
const left = json("list") as { instances: unknown[]; snapshots: unknown[] };
check("deleted: no instance is left in the inventory", left.instances.length + left.snapshots.length === 0);
check(
  "deleted: no file is left where instances are kept",
  readdirSync(join(folder, "instances")).length === 0,
);

const seconds = ((performance.now() - started) / 1000).toFixed(1);
say(failures === 0 ? `\nEvery proof held. ${seconds} s.` : `\n${failures} proofs FAILED. ${seconds} s.`);
process.exitCode = failures === 0 ? 0 : 1;

/** Configuration, directories, and an image of the size that the request declares, with known text in it. */
function prepare(): string {
  for (const name of ["instances", "images", "tree"]) mkdirSync(join(folder, name));
  writeFileSync(
    join(folder, "luksmith.conf"),
    `[DEFAULT]\ninstances_path = ${folder}/instances\n[libvirt]\nimages_type = raw\nvirt_type = qemu\n` +
      `[luksmith]\nstate_path = ${folder}/state\nimages_path = ${folder}/images\n`,
  );
  writeFileSync(join(folder, "tree", "hello.txt"), `${IMAGE_TEXT}\n`.repeat(1000));
  const path = join(folder, "images", request.image.id);
  must("mke2fs", ["-q", "-t", "ext4", "-d", join(folder, "tree"), path, `${request.image.size / 1024}k`]);
  return path;
}

function prove(disk: Disk): void {
  const passphrase = luksmith("secret", "reveal", disk.encryption_secret_uuid);
  const wrong = Buffer.from(passphrase.toString().replace(/^./, (c) => (c === "A" ? "B" : "A")));
  const canary = Buffer.alloc(512, CANARY_BYTE);
  check("cryptsetup opens it with the stored passphrase", cryptsetupOpens(disk, passphrase));
  check("cryptsetup refuses a passphrase with one character changed", !cryptsetupOpens(disk, wrong));
  check(
    "QEMU opens it with the stored passphrase, refuses the other",
    qemuOpens(disk, passphrase) && !qemuOpens(disk, wrong),
  );
  if (disk.name === "disk") {
    check(
      "QEMU decrypts from it the image, byte for byte",
      holdsImage(disk, passphrase, image, request.image.size),
    );
    check(
      "the image's text is in the image, and not in the disk's bytes",
      contains(image, Buffer.from(IMAGE_TEXT)) && !contains(disk.path, Buffer.from(IMAGE_TEXT)),
    );
  }
  writeCanary(disk, passphrase, CANARY_BYTE);
  check(
    "what a guest writes through QEMU reads back, and is not in the disk's bytes",
    readsCanary(disk, passphrase, CANARY_BYTE) && !contains(disk.path, canary),
  );
}

/** The command fails, and with it the demo, when a check of it does. */
function verifies(): boolean {
  const report = json("verify", request.server.id) as { instances: { disks: { ok: boolean }[] }[] };
  return report.instances.flatMap(({ disks }) => disks).every(({ ok }) => ok);
}

function luksmith(...args: readonly string[]): Buffer {
  return must(process.execPath, [
    join(ROOT, "apps/agent/bin/luksmith.js"),
    "--config-file",
    join(folder, "luksmith.conf"),
    ...args,
  ]);
}

function json(...args: readonly string[]): unknown {
  return JSON.parse(luksmith("--json", ...args).toString());
}

function timed<T>(work: () => T): { readonly result: T; readonly ms: number } {
  const begin = performance.now();
  const result = work();
  return { result, ms: Math.round(performance.now() - begin) };
}

function check(what: string, holds: boolean): void {
  if (!holds) failures++;
  say(`  ${holds ? "✓" : "✗ FAILED:"} ${what}`);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
