import { randomBytes } from "node:crypto";
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requestJson } from "../request-json.ts";
import { OutsideWorkspace } from "./outside-workspace.ts";

/** Programs of others do the work, on a machine that does other things, too. */
const LIMIT = { timeout: 1_800_000 };
const BACKEND = "luksmith-backend-tape-store";
const KEY_MANAGER = "keymgr";
/** Mounts of its own, which end with it, however it ends. */
const APART = ["unshare", "--mount", "--propagation", "private"];
const XFS_BYTES = 320 * 1024 * 1024;

let outside: OutsideWorkspace;

beforeAll(async () => {
  outside = await OutsideWorkspace.make();
  await outside.addExample("backend-reflink");
  await outside.addExample("keymgr-vault");
  await outside.scaffold(BACKEND, "--kind", "backend");
  await outside.scaffold(
    KEY_MANAGER,
    "--kind",
    "key-manager",
    "--package",
    "@corp/glass",
    "--license",
    "MIT",
  );
  await outside.install();
}, LIMIT.timeout);
// Undefined if it could not be made.
afterAll(async () => await (outside as OutsideWorkspace | undefined)?.[Symbol.asyncDispose]());

function mountsHere(): boolean {
  try {
    execFileSync(APART[0] ?? "", [
      ...APART.slice(1),
      "sh",
      "-c",
      "test -e /dev/loop-control && grep -qw xfs /proc/filesystems",
    ]);
    return true;
  } catch {
    return false;
  }
}

interface Step {
  readonly command: string;
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A host with nothing but the agent and plugins from tarballs. */
async function hostWith(plugins: readonly string[], options: string) {
  const root = await mkdtemp(join(outside.root, "host-"));
  const instances = join(root, "instances");
  const storage = join(root, "storage");
  for (const path of [instances, storage, join(root, "images")]) await mkdir(path);
  const image = crypto.randomUUID();
  await writeFile(join(root, "images", image), randomBytes(1024 * 1024));
  const instance = crypto.randomUUID();
  const request = join(root, "request.json");
  await writeFile(
    request,
    JSON.stringify(requestJson({ instance, image, imageBytes: 1024 * 1024, disk: 0, swap: 16 })),
  );
  const config = join(root, "luksmith.conf");
  const own = options.replaceAll("@STORAGE", storage);
  await writeFile(
    config,
    `[DEFAULT]\ninstances_path = ${instances}\n[libvirt]\nvirt_type = qemu\n${own}\n` +
      `[luksmith]\nplugins = ${plugins.join(", ")}\nstate_path = ${join(root, "state")}\nimages_path = ${join(root, "images")}\n`,
  );
  const agent = join(outside.root, "node_modules/@luksmith/agent/bin/luksmith.js");
  const luksmith = (...args: string[]) => [
    process.execPath,
    agent,
    "--config-file",
    config,
    "--json",
    ...args,
  ];
  return {
    storage,
    instance,
    luksmith,
    create: luksmith("create", "-f", request),
    run: async (
      commands: readonly (readonly string[])[],
      before: readonly string[] = [],
    ): Promise<readonly Step[]> => {
      const script = join(import.meta.dirname, "agent-steps.mjs");
      const [file, ...args] = [...before, process.execPath, script, JSON.stringify(commands)];
      const { stdout } = await outside.run(file, args);
      return JSON.parse(stdout) as Step[];
    },
  };
}

function documents(steps: readonly Step[]): readonly Record<string, unknown>[] {
  for (const { command, status, stdout, stderr } of steps) {
    if (status !== 0) throw new Error(`${command} ended with ${status}: ${stdout}${stderr}`);
  }
  return steps.map(({ stdout }) => (stdout === "" ? {} : JSON.parse(stdout)) as Record<string, unknown>);
}

const ENCRYPTED = { encrypted: true, encryption_format: "luks" };

describe("a scaffolded plugin", LIMIT, () => {
  test("passes its suite: a backend", async () => {
    const { passed, failed, skipped } = await outside.test(BACKEND);
    expect(failed).toEqual([]);
    expect(passed).toBeGreaterThan(35);
    // Overlays, clones, other names and lists, which it does not declare.
    expect(skipped.filter((name) => !/IB-(?:3[6-9]|4[0127]|5[4-7])\b/.test(name))).toEqual([]);
  });

  test("passes its suite: a key manager", async () => {
    const { passed, failed } = await outside.test(KEY_MANAGER);
    expect(failed).toEqual([]);
    expect(passed).toBeGreaterThan(18);
  });

  test("is loaded by the agent from its tarball, and makes encrypted disks", async () => {
    for (const folder of [BACKEND, KEY_MANAGER]) {
      const files = await outside.installPacked(folder);
      expect(files).toEqual(
        expect.arrayContaining(["LICENSE", "README.md", "dist/index.d.ts", "dist/index.js", "package.json"]),
      );
      expect(
        files.filter(
          (file) => !/^(?:dist\/[a-z-]+\.(?:js|d\.ts)|LICENSE|README\.md|package\.json)$/.test(file),
        ),
      ).toEqual([]);
    }
    const options = "images_type = tape-store\n[luksmith:backend-tape-store]\ndirectory = @STORAGE";
    const host = await hostWith([BACKEND, "@corp/glass"], options);
    const { instance, luksmith } = host;
    const steps = [
      luksmith("plugins", "list"),
      host.create,
      luksmith("verify", instance),
      luksmith("delete", instance),
      luksmith("list"),
    ];
    const [plugins, created, verified, , left] = documents(await host.run(steps));
    expect(plugins).toMatchObject({
      plugins: [BACKEND, "@corp/glass"],
      key_manager: "glass",
      backends: [{ name: "tape-store", chosen: true, encryption: ["luks"] }],
    });
    const path = expect.stringContaining(host.storage) as string;
    expect(created).toMatchObject({
      disks: [
        { ...ENCRYPTED, path, backend: "tape-store" },
        { ...ENCRYPTED, path },
      ],
    });
    expect(JSON.stringify(verified)).not.toContain('"ok":false');
    expect(JSON.stringify(left)).not.toContain(instance);
  });
});

describe("the examples", LIMIT, () => {
  const mounts = mountsHere();

  test("backend-reflink passes its suite, on XFS where one can be mounted", async () => {
    const required = mounts ? { REFLINK_TESTS: "required" } : {};
    const { passed, failed, skipped } = await outside.test("backend-reflink", required, mounts ? APART : []);
    expect(failed).toEqual([]);
    expect(passed).toBeGreaterThan(mounts ? 50 : 1);
    expect(mounts ? skipped.filter((name) => !/IB-(?:3[6-9]|47|5[4-7])\b/.test(name)) : []).toEqual([]);
  });

  test("keymgr-vault passes its suite", async () => {
    const { passed, failed } = await outside.test("keymgr-vault");
    expect(failed).toEqual([]);
    expect(passed).toBeGreaterThan(80);
  });

  test("work together in the agent, from their tarballs", async ({ skip }) => {
    if (!mounts) skip("no file system with reflinks can be mounted here");
    for (const folder of ["backend-reflink", "keymgr-vault"]) await outside.installPacked(folder);
    await using vault = await startVault();
    const token = join(outside.root, "token");
    await writeFile(token, "root-token\n", { mode: 0o600 });
    const options = `images_type = reflink\n[luksmith:backend-reflink]\ndirectory = @STORAGE\n[luksmith:keymgr-vault]\nurl = ${vault.url}\ntoken_file = ${token}`;
    const host = await hostWith(["luksmith-backend-reflink", "luksmith-keymgr-vault"], options);
    const { instance, luksmith, storage } = host;
    const main = join(outside.root, "node_modules/luksmith-backend-reflink/dist/main.js");
    const reflink = (command: string, ...more: string[]) => [
      process.execPath,
      main,
      "--directory",
      storage,
      command,
      instance,
      "disk",
      ...more,
    ];
    const image = join(outside.root, "xfs");
    await using file = await open(image, "w");
    await file.truncate(XFS_BYTES);
    const mounting = 'mkfs.xfs -q "$1"; mount -o loop "$1" "$2"; shift 2; exec "$@"';
    const steps = [
      luksmith("plugins", "list"),
      host.create,
      reflink("take", "before"),
      reflink("roll-back", "before"),
      luksmith("verify", instance),
      luksmith("delete", instance),
      luksmith("list"),
      ["find", storage, "-type", "f"],
    ];
    const done = await host.run(steps, [...APART, "sh", "-euc", mounting, "sh", image, storage]);
    const files = done.at(-1)?.stdout;
    const [plugins, created, , , verified] = documents(done.slice(0, -1));
    expect(plugins).toMatchObject({ key_manager: "vault", backends: [{ name: "reflink", chosen: true }] });
    expect(created).toMatchObject({ disks: [{ ...ENCRYPTED, backend: "reflink" }, ENCRYPTED] });
    expect(JSON.stringify(verified)).not.toContain('"ok":false');
    expect(files).toBe("");
    expect(await vault.secrets()).toBe(0);
  });
});

/** The example's own server, in a process of its own. */
async function startVault() {
  const child: ChildProcess = spawn(
    process.execPath,
    [join(outside.folder("keymgr-vault"), "test/serve-vault.ts")],
    {
      stdio: ["pipe", "pipe", "inherit"],
    },
  );
  const next = async (): Promise<string> =>
    String(((await once(child.stdout ?? child, "data")) as [Buffer])[0]).trim();
  const url = await next();
  return {
    url,
    secrets: async () => {
      child.stdin?.write("count\n");
      return Number(await next());
    },
    [Symbol.asyncDispose]: async () => {
      child.stdin?.end();
      await once(child, "exit");
    },
  };
}
