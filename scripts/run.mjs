#!/usr/bin/env node
/**
 * The door for newcomers: `npm run demo`, `npm test`, `npm run bench`, `npm run docs`, `npm run luksmith`. Plain JavaScript for any
 * Node >= 20: it brings pnpm, the workspace's own Node and the Debian packages, builds, then hands over.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const BIN = join(ROOT, "node_modules", ".bin");
/** The workspace's own Node itself: what pnpm puts into .bin is a shell script, which keeps signals for itself. */
const NODE = join(ROOT, "node_modules", "node", "bin", "node");
const VITEPRESS = join(ROOT, "node_modules", "vitepress", "bin", "vitepress.js");
const STAMP = join(ROOT, "node_modules", ".luksmith-installed");

/** Programs we call, and the Debian package of each. */
const PROGRAMS = {
  "qemu-img": "qemu-utils",
  "qemu-io": "qemu-utils",
  cryptsetup: "cryptsetup-bin",
  "mkfs.ext4": "e2fsprogs",
  mkswap: "util-linux",
  fallocate: "util-linux",
};
/** Real OpenStack services, for the tests and for `demo -- --openstack`. */
const OPENSTACK_PROGRAMS = {
  "/usr/lib/python3/dist-packages/keystone/__init__.py": "python3-keystone",
  "/usr/lib/python3/dist-packages/barbican/__init__.py": "python3-barbican",
  "/usr/lib/python3/dist-packages/placement/__init__.py": "python3-placement",
  "/usr/lib/python3/dist-packages/glance/__init__.py": "python3-glance",
  "/usr/lib/python3/dist-packages/waitress/__init__.py": "python3-waitress",
  openstack: "python3-openstackclient",
  openssl: "openssl",
};
/** A real Ceph cluster, for the tests and for `bench -- rbd`; ceph-common brings Python's librbd. */
const CEPH_PROGRAMS = {
  "ceph-mon": "ceph-mon",
  "ceph-osd": "ceph-osd",
  rbd: "ceph-common",
  "/usr/lib/x86_64-linux-gnu/qemu/block-rbd.so": "qemu-block-extra",
};
/** What only the tests need on top. */
const TEST_PROGRAMS = {
  strace: "strace",
  age: "age",
  mmdebstrap: "mmdebstrap",
  mandoc: "mandoc",
  "mkfs.xfs": "xfsprogs",
  "mkfs.btrfs": "btrfs-progs",
  "mkfs.vfat": "dosfstools",
  mkntfs: "ntfs-3g",
  xmllint: "libxml2-utils",
  "/usr/share/libvirt/schemas/domain.rng": "libvirt0",
  ...OPENSTACK_PROGRAMS,
  libvirtd: "libvirt-daemon",
  virsh: "libvirt-clients",
  "qemu-system-x86_64": "qemu-system-x86",
  "/usr/lib/x86_64-linux-gnu/libvirt/connection-driver/libvirt_driver_qemu.so": "libvirt-daemon-driver-qemu",
  ...CEPH_PROGRAMS,
};

const [task = "help", ...rest] = process.argv.slice(2);
process.env.PATH = `${BIN}:${process.env.PATH}:/usr/local/sbin:/usr/sbin:/sbin`;
process.env.TURBO_TELEMETRY_DISABLED = "1";
process.env.DO_NOT_TRACK = "1";

/** Runs a program to its end; its failure is ours. */
function run(file, args, options = {}) {
  const result = spawnSync(file, args, { cwd: ROOT, stdio: "inherit", ...options });
  if (result.error) fail(`${file} could not be started: ${result.error.message}`);
  if (result.status !== 0) process.exit(result.status ?? 1);
}

/** As `run`, but silent unless it fails. */
function runQuietly(what, file, args) {
  if (process.stderr.isTTY) process.stderr.write(`${what} …\r`);
  const result = spawnSync(file, args, { cwd: ROOT, encoding: "utf8", maxBuffer: 1 << 28 });
  if (process.stderr.isTTY) process.stderr.write("\x1b[K");
  if (result.status === 0) return;
  process.stderr.write(`${result.stdout ?? ""}${result.stderr ?? ""}`);
  fail(`${what} failed`);
}

function fail(message) {
  console.error(`luksmith: ${message}`);
  process.exit(1);
}

function install() {
  const [major] = process.versions.node.split(".").map(Number);
  if (major < 20) fail(`Node ${process.versions.node} is too old; version 20 or newer is needed`);
  const inputs = ["package.json", "pnpm-lock.yaml", "pnpm-workspace.yaml"];
  const hash = createHash("sha256");
  for (const file of inputs) hash.update(readFileSync(join(ROOT, file)));
  const wanted = hash.digest("hex");
  if (existsSync(STAMP) && readFileSync(STAMP, "utf8") === wanted) return;
  const { packageManager } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  runQuietly("installing packages", "npx", ["--yes", packageManager, "install", "--frozen-lockfile"]);
  mkdirSync(dirname(STAMP), { recursive: true });
  writeFileSync(STAMP, wanted);
}

function build() {
  runQuietly("building", join(BIN, "turbo"), ["run", "build", "--output-logs=errors-only"]);
}

function bringPrograms(programs) {
  const missing = Object.entries(programs).filter(([program]) => !onPath(program));
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map(([, name]) => name))].toSorted((a, b) => a.localeCompare(b));
  if (process.getuid?.() !== 0 || !onPath("apt-get")) {
    fail(
      `missing ${missing.map(([program]) => program).join(", ")}; as root, run: apt-get install ${packages.join(" ")}`,
    );
  }
  console.error(`luksmith: installing the Debian packages ${packages.join(" ")}`);
  process.env.DEBIAN_FRONTEND = "noninteractive";
  runQuietly("apt-get update", "apt-get", ["update"]);
  runQuietly("apt-get install", "apt-get", ["install", "--yes", "--no-install-recommends", ...packages]);
}

function onPath(program) {
  if (program.startsWith("/")) return existsSync(program);
  return process.env.PATH.split(":").some((directory) => existsSync(join(directory, program)));
}

/** Whether a source is newer than what was built of it; quicker to see than to ask turbo. */
function isStale() {
  const built = join(ROOT, "apps/agent/dist/.tsbuildinfo");
  if (!existsSync(built)) return true;
  const since = statSync(built).mtimeMs;
  return ["apps", "packages"].some((folder) =>
    readdirSync(join(ROOT, folder)).some((name) => newest(join(ROOT, folder, name, "src")) > since),
  );
}

function newest(folder) {
  if (!existsSync(folder)) return 0;
  const times = readdirSync(folder, { recursive: true })
    .filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"))
    .map((name) => statSync(join(folder, name)).mtimeMs);
  return Math.max(0, ...times);
}

/** The caller's folder: npm changes to the project's, and file names on our command line are relative to the former. */
function callersFolder() {
  return process.env.INIT_CWD ?? process.cwd();
}

switch (task) {
  case "demo":
    install();
    bringPrograms(rest.includes("--openstack") ? { ...PROGRAMS, ...OPENSTACK_PROGRAMS } : PROGRAMS);
    build();
    run(NODE, ["scripts/demo.ts", ...rest]);
    break;
  case "test":
    install();
    bringPrograms({ ...PROGRAMS, ...TEST_PROGRAMS });
    build();
    run("tsc", ["--noEmit", "-p", "tsconfig.test.json"]);
    run("oxlint", ["--type-aware", "--deny-warnings"]);
    run("oxfmt", ["--check"]);
    // Real daemons on a busy machine: what fails once and then passes is reported as retried, not as passed.
    run("vitest", ["run", "--retry=2", ...rest]);
    break;
  case "bench":
    install();
    bringPrograms({
      ...PROGRAMS,
      ...(rest.includes("barbican") ? OPENSTACK_PROGRAMS : {}),
      ...(rest.includes("rbd") ? CEPH_PROGRAMS : {}),
    });
    build();
    run(NODE, ["--expose-gc", "bench/src/main.ts", ...rest]);
    break;
  case "docs":
    install();
    // `dev` serves the pages and shows changes as they are written.
    run(NODE, [VITEPRESS, ...(rest.length > 0 ? rest : ["build"]), "docs"]);
    break;
  case "release":
    install();
    build();
    run(NODE, ["release/src/main.ts", ...rest]);
    break;
  case "luksmith":
    install();
    if (isStale()) build();
    run(NODE, [join(ROOT, "apps/agent/bin/luksmith.js"), ...rest], { cwd: callersFolder() });
    break;
  default:
    fail(`unknown task ${task}; use one of demo, test, bench, docs, luksmith, release`);
}
