import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { DemoCloud } from "./cloud.ts";
import type { DemoHost } from "./host.ts";
import {
  checksClean,
  contains,
  cryptsetupOpens,
  digestOf,
  type Disk,
  guestWrites,
  holdsImage,
  qemuOpens,
} from "./proofs.ts";
import { check, say, timed } from "./report.ts";

/** What is to be shown. */
export interface MainJob {
  /** REQUEST.json, and the server in it. */
  readonly request: string;
  readonly server: string;
  /** The source image, its size, and text that is in it. */
  readonly image: { readonly path: string; readonly bytes: number; readonly text: Buffer };
  /** Where the passphrases are, if not on the host. */
  readonly cloud?: DemoCloud | undefined;
}

/** What a guest writes: this byte, a page of it. */
const CANARY_BYTE = 0x5a;
const CANARY = Buffer.alloc(512, CANARY_BYTE);

/** Creates, proves, copies, grows and deletes an instance's disks. */
export function showMainJob(host: DemoHost, job: MainJob): void {
  const { result, ms } = timed(() => host.json("create", "-f", job.request) as { disks: readonly Disk[] });
  const { disks } = result;
  say(`luksmith create: ${disks.length} disks in ${ms} ms, process start and filling included`);
  const bases = basesOf(host);
  for (const disk of disks) {
    say(`\n${disk.name}   ${disk.virtual_size} bytes for the guest   ${disk.path}`);
    prove(host, disk, job);
  }
  const [root] = disks;
  if (!root) throw new Error("no disk was made");
  if (bases.size > 0) {
    const same = [...basesOf(host)].every(([path, digest]) => bases.get(path) === digest);
    check(`the ${bases.size} bases that the disks stand on are as they were before the guest wrote`, same);
  }
  say(`\nThe root disk's XML, ready for a libvirt domain\n${root.xml.trimEnd()}`);
  if (root.format === "raw") {
    say(`\nluksmith inspect\n${host.luksmith("inspect", root.path).toString().trimEnd()}`);
  }
  say("");
  showLife(host, root, job);
}

function prove(host: DemoHost, disk: Disk, { image, cloud }: MainJob): void {
  const passphrase = host.luksmith("secret", "reveal", disk.encryption_secret_uuid);
  const wrong = Buffer.from(passphrase.toString().replace(/^./, (c) => (c === "A" ? "B" : "A")));
  cloud?.checkSecret(disk.encryption_secret_uuid, passphrase);
  if (disk.format === "raw") {
    check("cryptsetup opens it with the stored passphrase", cryptsetupOpens(disk.path, passphrase));
    check("cryptsetup refuses a passphrase with one character changed", !cryptsetupOpens(disk.path, wrong));
  }
  if (disk.name === "disk") {
    const same = holdsImage(disk, passphrase, image.path, image.bytes);
    check("QEMU decrypts from it the image, byte for byte", same);
  }
  const written = guestWrites(disk, passphrase, CANARY_BYTE);
  const refused = !qemuOpens(disk, wrong);
  check("QEMU opens it with the stored passphrase, refuses one with a character changed", written && refused);
  check(
    "what a guest writes through QEMU reads back, and is not in the disk's bytes",
    written && !contains(disk.path, CANARY),
  );
  if (disk.name === "disk") {
    const inImage = contains(image.path, image.text);
    const inDisk = contains(disk.path, image.text);
    check("the image's text is in the image, and not in the disk's bytes", inImage && !inDisk);
  }
  if (disk.format === "qcow2") {
    check("qemu-img check finds nothing, after the guest's writes", checksClean(disk, passphrase));
  }
}

function showLife(host: DemoHost, root: Disk, { server, image, cloud }: MainJob): void {
  if (cloud) say(`luksmith traits sync\n${host.luksmith("traits", "sync").toString().trimEnd()}\n`);
  const path = join(host.folder, "snapshot");
  const format = root.format === "qcow2" ? ["--format", "qcow2"] : [];
  const { uuid } = host.json("snapshot", server, root.name, path, ...format) as { uuid: string };
  const clear = contains(path, image.text, CANARY);
  check("snapshot encrypted with a key of its own: neither text nor canary is in its bytes", !clear);
  host.luksmith("delete", uuid);

  host.json("resize", server, root.name, "2GiB");
  check("resized to 2 GiB: luksmith verify agrees", verifies(host, server));
  host.luksmith("delete", server);
  const left = host.json("list") as { instances: unknown[]; snapshots: unknown[] };
  check("deleted: no instance is left in the inventory", left.instances.length + left.snapshots.length === 0);
  const files = readdirSync(host.instances).filter((name) => name !== "_base" && name !== "locks");
  check("deleted: no file is left where instances are kept", files.length === 0);
}

/** The command fails, and with it the demo, when a check of it does. */
function verifies(host: DemoHost, server: string): boolean {
  const report = host.json("verify", server) as { instances: { disks: { ok: boolean }[] }[] };
  return report.instances.flatMap(({ disks }) => disks).every(({ ok }) => ok);
}

/** Bases in the cache, with what tells whether anybody wrote to them. */
function basesOf(host: DemoHost): ReadonlyMap<string, string> {
  const directory = join(host.instances, "_base");
  if (!existsSync(directory)) return new Map();
  return new Map(readdirSync(directory).map((name) => [name, digestOf(join(directory, name))]));
}
