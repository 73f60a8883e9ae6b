import { spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { chmod, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { silentLogger } from "@luksmith/core";
import { diagnose, type HealthReport, loadConfig, WritableHost } from "@luksmith/core/host";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { pluginModules } from "../src/plugin-modules.ts";
import { HealthySystem } from "./healthy-system.ts";
import { TemporaryHost } from "./temporary-host.ts";

const CRASH = join(import.meta.dirname, "crash-run.ts");
let host: TemporaryHost;
let system: HealthySystem;

beforeEach(async () => {
  host = await TemporaryHost.create();
  system = await HealthySystem.create(join(host.path, "system"));
  await host.configure(`socket = ${host.path}/socket`);
  await chmod(host.configFile, 0o600);
});
afterEach(() => host[Symbol.asyncDispose]());

async function examine(lookOnly = true, only: readonly string[] = []): Promise<HealthReport> {
  const ctx = { requestId: "req-1", signal: new AbortController().signal, log: silentLogger };
  const config = await loadConfig({ files: [host.configFile] });
  const write = () =>
    WritableHost.write(config, { importModule: pluginModules.import, command: "a test" }, ctx);
  return await diagnose(
    { config, importModule: pluginModules.import, write },
    { lookOnly, only, systemRoot: system.root },
    ctx,
  );
}

/** Whoever is told of something that is fine looks at nothing any more. */
async function alarms(lookOnly = true): Promise<HealthReport["findings"]> {
  const { severity, findings } = await examine(lookOnly);
  const found = findings.filter((finding) => ["warning", "error"].includes(finding.severity));
  expect(found.length > 0).toBe(["warning", "error"].includes(severity));
  return found;
}

/** Adds a line to a section of the configuration. */
async function set(section: string, line: string): Promise<void> {
  const text = await readFile(host.configFile, "utf8");
  const there = text.includes(`[${section}]\n`);
  await writeFile(
    host.configFile,
    there ? text.replace(`[${section}]\n`, `[${section}]\n${line}\n`) : `${text}[${section}]\n${line}\n`,
  );
}

async function made() {
  const document = await host.json<{ disks: [{ path: string; encryption_secret_uuid: string }] }>(
    ["create", "-f", "-"],
    host.request(),
  );
  return document.disks[0];
}

/** Checks of plugins that are not configured here, and what the command itself says. */
const ELSEWHERE = [
  "config.valid",
  "daemon.answers",
  "barbican.tls",
  "barbican.clock",
  "libvirt.version",
  "libvirt.secrets",
  "libvirt.exposed",
  "libvirt.overlays",
];

interface Fault {
  readonly what: string;
  readonly plant: () => Promise<void>;
  /** `id severity text` */
  readonly found: readonly [id: string, severity: "info" | "warning" | "error", text: string];
  /** Makes it only by trying. */
  readonly tries?: true;
}

const FAULTS: readonly Fault[] = [
  {
    what: "a swap partition in clear",
    plant: () => system.swaps("/dev/sda2 partition"),
    found: ["swap", "warning", "/dev/sda2 swaps memory to a disk in clear"],
  },
  {
    what: "swap on a volume of which one half is in clear",
    plant: async () => {
      await system.swaps("/dev/dm-7 partition");
      await system.over("dm-7", "dm-1", "sdb1");
    },
    found: ["swap", "warning", "/dev/dm-7"],
  },
  {
    what: "a swap file",
    plant: async () => {
      await system.write("/swap.img", "");
      await system.swaps("/swap.img file");
    },
    found: ["swap", "warning", "/swap.img"],
  },
  {
    what: "compressed swap with a disk in clear behind it",
    plant: () => system.write("/sys/class/block/zram0/backing_dev", "/dev/sda3"),
    found: ["swap", "warning", "/dev/zram0"],
  },
  {
    what: "core dumps of the agent",
    plant: () => system.mayDump(),
    found: ["core-dumps", "warning", "given to /usr/lib/systemd/systemd-coredump"],
  },
  {
    what: "core dumps of a guest's QEMU",
    plant: () => system.guest(4711, "unlimited"),
    found: ["core-dumps", "warning", "pid 4711"],
  },
  {
    what: "dumps of programs that changed their user",
    plant: () => system.write("/proc/sys/fs/suid_dumpable", "1"),
    found: ["core-dumps", "warning", "suid_dumpable"],
  },
  {
    what: "/dev/shm on a disk",
    plant: () => system.write("/proc/self/mounts", "/dev/sda1 /dev/shm ext4 rw 0 0"),
    found: ["shared-memory", "error", "of type ext4"],
  },
  {
    what: "a temporary directory without the sticky bit",
    plant: () => system.directory(process.env["TMPDIR"] ?? "/tmp", 0o777),
    found: ["temp-directory", "error", "sticky"],
  },
  {
    what: "no entropy",
    plant: () => system.write("/proc/sys/kernel/random/entropy_avail", "12"),
    found: ["entropy", "error", "12 bits"],
  },
  {
    what: "a processor without AES",
    plant: () => system.write("/proc/cpuinfo", "flags\t: fpu sse2 vaes_not\n"),
    found: ["aes", "warning", "no AES instructions"],
  },
  {
    what: "an open mapping of plain dm-crypt",
    plant: async () => {
      await system.write("/sys/block/dm-3/dm/uuid", "CRYPT-PLAIN-vm_disk-dmcrypt");
      await system.write("/sys/block/dm-3/dm/name", "vm_disk-dmcrypt");
    },
    found: ["dm-crypt.plain", "warning", "vm_disk-dmcrypt"],
  },
  {
    what: "an old kernel",
    plant: () => system.write("/proc/sys/kernel/osrelease", "3.10.0-1160.el7.x86_64"),
    found: ["version.kernel", "warning", "3.10.0"],
  },
  {
    what: "a configuration that others can change",
    plant: () => chmod(host.configFile, 0o622),
    found: ["config.permissions", "error", "can be changed by others"],
  },
  {
    what: "a password that everybody can read",
    plant: async () => {
      await set("barbican_service_user", "password = hunter2");
      await chmod(host.configFile, 0o644);
    },
    found: ["config.permissions", "error", "[barbican_service_user] password"],
  },
  {
    what: "the old host-wide encryption",
    plant: () => set("ephemeral_storage_encryption", "cipher = aes-xts-plain64"),
    found: ["config.deprecated", "warning", "cipher"],
  },
  {
    what: "a time-out that is too short",
    plant: () => set("luksmith", "command_timeout = 2"),
    found: ["config.timeouts", "warning", "command_timeout is 2 s"],
  },
  {
    what: "a cost of derivation that stops a boot storm",
    plant: () => set("luksmith", "pbkdf_iterations = 12000000"),
    found: ["kdf", "warning", "12000000 iterations"],
  },
  {
    what: "a state directory that others can read",
    plant: async () => {
      await mkdir(join(host.path, "state"), { mode: 0o755 });
    },
    found: ["state.database", "error", "StateDirectoryUnsafe"],
  },
  {
    what: "a database that is none",
    plant: async () => {
      await made();
      await writeFile(join(host.path, "state/luksmith.sqlite"), "not a database".repeat(1000));
    },
    found: ["state.database", "error", "JournalCorrupt"],
  },
  {
    what: "an operation that was killed",
    plant: async () => {
      const args = ["--conditions=luksmith-source", CRASH, "image", "--config-file", host.configFile];
      const input = JSON.stringify(host.request());
      expect(spawnSync(process.execPath, [...args, "create", "-f", "-"], { input }).signal).toBe("SIGKILL");
    },
    found: ["state.unfinished", "warning", "the create of"],
  },
  {
    what: "a clock that went back",
    plant: async () => {
      await made();
      using database = new DatabaseSync(join(host.path, "state/luksmith.sqlite"));
      database.exec("UPDATE instance SET created_at = '2999-01-01T00:00:00.000Z'");
    },
    found: ["clock.past", "warning", "2999"],
  },
  {
    what: "a file in the place of the socket",
    plant: () => writeFile(join(host.path, "socket"), ""),
    found: ["daemon.socket", "error", "is no socket"],
  },
  {
    what: "instances that everybody can exchange",
    plant: () => chmod(join(host.path, "instances"), 0o777),
    found: ["instances.permissions", "error", "everybody on this host can write"],
  },
  {
    what: "a plugin that is not there",
    plant: () => set("luksmith", "plugins = @luksmith/backend-raw, @acme/keys"),
    found: ["plugins", "error", "PluginNotLoadable"],
  },
  {
    what: "no key manager",
    plant: () => set("luksmith", "plugins = @luksmith/backend-raw"),
    found: ["plugins", "error", "no key manager"],
  },
  {
    what: "storage that is not there",
    plant: async () => {
      await rm(join(host.path, "instances"), { recursive: true });
      await writeFile(join(host.path, "instances"), "");
    },
    found: ["backend.ready", "error", "is not a directory"],
  },
  {
    what: "a disk that is gone",
    plant: async () => rm((await made()).path),
    found: ["disks.present", "error", "is not there"],
  },
  {
    what: "another disk under a name",
    plant: async () => {
      const { path } = await made();
      await writeFile(`${path}.new`, Buffer.alloc(1 << 20, 7));
      await rename(`${path}.new`, path);
    },
    found: ["disks.present", "error", "no readable LUKS header"],
  },
  {
    what: "a secret that is gone",
    plant: async () => {
      const { encryption_secret_uuid: id } = await made();
      using database = new DatabaseSync(join(host.path, "state/keys.sqlite"));
      const { changes } = database.prepare("DELETE FROM secrets WHERE id = ?").run(id);
      expect(changes).toBe(1);
    },
    found: ["disks.secrets", "error", "is gone"],
  },
  {
    what: "a key store that cannot be opened",
    plant: () => set("luksmith", `key_encryption_key_file = ${host.path}/nowhere/key`),
    found: ["keys.round-trip", "error", "KeyStoreUnsafe"],
    tries: true,
  },
  {
    what: "a plain overlay over an encrypted disk",
    plant: async () => {
      const { path } = await made();
      const args = ["create", "-q", "-f", "qcow2", "-b", path, "-F", "raw", `${path}.snap`];
      expect(spawnSync("qemu-img", args).status).toBe(0);
    },
    found: ["qcow2.overlays", "error", ".snap is a plain qcow2 overlay"],
  },
];

describe("luksmith doctor", { timeout: 90_000 }, () => {
  test(
    "says nothing of a healthy host with disks, and leaves nothing behind",
    { timeout: 180_000 },
    async () => {
      await made();
      expect(await alarms(false)).toEqual([]);
      const { instances } = await host.json<{ instances: unknown[] }>(["list"]);
      expect(instances).toHaveLength(1);
      using database = new DatabaseSync(join(host.path, "state/keys.sqlite"), { readOnly: true });
      expect(database.prepare("SELECT count(*) AS n FROM secrets").get()).toEqual({ n: 3 });
    },
  );

  test.each(FAULTS.map((fault) => [fault.what, fault] as const))(
    "finds %s",
    async (_, { plant, found: [id, severity, text], tries }) => {
      await plant();
      const { findings } = await examine(!tries, [id]);
      expect(findings).toContainEqual(
        expect.objectContaining({ id, severity, finding: expect.stringContaining(text) }),
      );
      expect(
        findings.filter((each) => each.severity !== "ok" && each.severity !== "info" && !each.fix),
      ).toEqual([]);
    },
  );

  test("has a healthy system with swap on a volume of an encrypted device", async () => {
    await system.swaps("/dev/dm-9 partition");
    await system.over("dm-9", "dm-1");
    expect(await alarms()).toEqual([]);
  });

  test("finds at least 20 planted faults", () => {
    expect(new Set(FAULTS.map(({ what }) => what)).size).toBeGreaterThanOrEqual(20);
  });

  test("exits with 0, 1 and 2, and prints one document", async () => {
    const run = async (...more: readonly string[]) => {
      const { exitCode, out } = await host.run(["doctor", "--look-only", "--json", ...more]);
      return { exitCode, document: JSON.parse(out) as { status: string; findings: { id: string }[] } };
    };
    await set("luksmith", "stop_timeout = 1");
    expect((await run("--only", "version.node", "config.permissions")).exitCode).toBe(0);
    const warned = await run("--only", "config.timeouts");
    expect(warned.document.status).toBe("warning");
    expect(warned.document.findings).toContainEqual({
      id: "config.timeouts",
      severity: "warning",
      finding: expect.stringContaining("stop_timeout"),
      fix: expect.any(String),
    });
    expect(warned.exitCode).toBe(1);
    await set("luksmith", `plugins = @acme/${randomUUID()}`);
    expect((await run()).exitCode).toBe(2);
    await set("luksmith", "no_such_option = 1");
    const broken = await run();
    expect([broken.exitCode, broken.document.findings.map(({ id }) => id)]).toEqual([2, ["config.valid"]]);
  });

  test("knows its checks, those of plugins too", async () => {
    expect((await host.run(["doctor", "--only", "qcow2.overlays"])).exitCode).toBe(0);
    const { exitCode, err } = await host.run(["doctor", "--only", "no.such"]);
    expect([exitCode, err]).toEqual([64, expect.stringContaining("there is no check no.such")]);
  });

  test("has its checks in docs/reference/doctor.md", async () => {
    const text = await readFile(join(import.meta.dirname, "../../../docs/reference/doctor.md"), "utf8");
    const listed = [...text.matchAll(/^\| `([a-z0-9.-]+)`.*\|.*\|.*\|$/gmu)].map(([, id]) => id);
    const { err } = await host.run(["doctor", "--only", "no.such"]);
    const [, known = ""] = /there are ([^;\n]+)/u.exec(err) ?? [];
    for (const id of [...known.trim().split(", "), ...ELSEWHERE]) expect(listed).toContain(id);
    expect(listed.length).toBe(known.split(", ").length + ELSEWHERE.length);
  });

  test("looks for people, too, with what to do", async () => {
    await set("luksmith", "stop_timeout = 1");
    const { out } = await host.run(["doctor", "--look-only", "--only", "config.timeouts"]);
    expect(out).toMatch(/^warning {2}config\.timeouts: .*\n {9}-> set it to 10 or more/mu);
  });
});
