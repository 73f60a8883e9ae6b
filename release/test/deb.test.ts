import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { link, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { DebianRoot } from "@luksmith/testing-services";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildDeb } from "../src/deb/build-deb.ts";
import { ROOT } from "../src/packages.ts";
import { run } from "../src/run.ts";
import { exampleRequest } from "./installed-agent.ts";

const SLOW = 900_000;
const CANARY = "the canary of the package must not be on the storage in clear";
const STATE = "/var/lib/luksmith";
const CONFIG = "/etc/luksmith/luksmith.conf";
const OUTSIDER = `export default {
  $type: "luksmith.plugin", name: "outsider", apiVersion: 1,
  config: { "~standard": { version: 1, vendor: "outsider", validate: (value) => ({ value }) } },
  register() {},
};
`;

let folder: string;
let deb: string;
/** A later version: another default configuration, one file less, less patience. */
let later: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "luksmith-deb-test-"));
  const tarballs = join(folder, "tarballs");
  deb = await buildDeb({ version: "1.0.0", output: join(folder, "first"), compression: "none", tarballs });
  later = await repacked(deb, "1.1.0");
}, SLOW);
afterAll(() => rm(folder, { recursive: true, force: true }));

async function repacked(from: string, version: string): Promise<string> {
  const tree = join(folder, version);
  await run("dpkg-deb", ["-R", from, tree], { cwd: folder });
  const edit = async (path: string, change: (text: string) => string): Promise<void> =>
    await writeFile(join(tree, path), change(await readFile(join(tree, path), "utf8")));
  await edit("DEBIAN/control", (text) => text.replace(/^Version: .*$/m, `Version: ${version}`));
  await edit("DEBIAN/prerm", (text) => text.replace(/^PATIENCE=.*$/m, "PATIENCE=2"));
  await edit(CONFIG, (text) => `${text}# Of a later version.\n`);
  await rm(join(tree, "usr/share/fish"), { recursive: true });
  const to = join(folder, `luksmith-agent_${version}.deb`);
  await run("dpkg-deb", ["--root-owner-group", "-Znone", "--build", tree, to], { cwd: folder });
  return to;
}

async function digest(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return hash.digest("hex");
}

async function listed(): Promise<
  readonly { readonly mode: string; readonly owner: string; readonly path: string }[]
> {
  const text = await run("dpkg-deb", ["-c", deb], { cwd: folder });
  return text
    .trimEnd()
    .split("\n")
    .map((line) => {
      const [mode = "", owner = "", , , , path = ""] = line.split(/\s+/);
      return { mode, owner, path };
    });
}

describe("the Debian package, as it is built", () => {
  test(
    "has the same bytes again, elsewhere, with other habits",
    async () => {
      const script = `umask 077; exec "$0" --conditions=luksmith-source -e "$1"`;
      const source = join(ROOT, "release/src/deb/build-deb.ts");
      const options = {
        version: "1.0.0",
        output: join(folder, "again"),
        compression: "none",
        tarballs: join(folder, "tarballs"),
      };
      const code = `import("${source}").then(({ buildDeb }) => buildDeb(${JSON.stringify(options)}))`;
      const other = join(folder, "elsewhere");
      await mkdir(other);
      await run("sh", ["-c", script, process.execPath, code], {
        cwd: other,
        env: { TZ: "Asia/Tokyo", TMPDIR: other, LC_ALL: "C" },
      });
      const [again = ""] = await readdir(options.output);
      expect(await digest(join(options.output, again))).toBe(await digest(deb));
      await rm(options.output, { recursive: true });
    },
    SLOW,
  );

  test("gives everything to root, and nobody else a right to write", async () => {
    const files = await listed();
    expect(files.length).toBeGreaterThan(1000);
    expect(files.filter(({ owner }) => owner !== "root/root")).toEqual([]);
    expect(files.filter(({ mode }) => !mode.startsWith("l") && /^.{5}w|^.{8}w|[sStT]/.test(mode))).toEqual(
      [],
    );
    const programs = files.filter(({ mode }) => /^-..x/.test(mode)).map(({ path }) => path);
    expect(programs.toSorted()).toEqual(["./usr/bin/luksmith", "./usr/lib/luksmith/bin/node"]);
  });

  test("has the versions that the lock file has, and nothing of this machine", async () => {
    const tree = join(folder, "1.1.0");
    const sbom = JSON.parse(
      await run("sh", ["-c", `gzip -dc '${tree}/usr/share/doc/luksmith-agent/sbom.cdx.json.gz'`], {
        cwd: folder,
      }),
    ) as { components: readonly { name: string; version: string }[] };
    const others = sbom.components.filter(({ name }) => !name.startsWith("@luksmith/"));
    expect(others.length).toBeGreaterThan(50);
    const lock = await readFile(join(ROOT, "pnpm-lock.yaml"), "utf8");
    expect(others.filter(({ name, version }) => !lock.includes(`${name}@${version}`))).toEqual([]);
    const legal = await readFile(join(tree, "usr/share/doc/luksmith-agent/copyright"), "utf8");
    for (const { name, version } of others) expect(legal).toContain(`${name} ${version} (`);
    expect(legal).toContain("Node.js is licensed for use as follows");
    const grep = ["-rlF", "--exclude=node", "-e", ROOT, "-e", folder, tree];
    expect(await run("grep", grep, { cwd: folder }).catch(() => "none")).toBe("none");
  });

  test("has man pages without a fault, and all that is in the references", async () => {
    const pages = join(folder, "1.1.0/usr/share/man");
    for (const [name, words] of [
      ["man1/luksmith.1", ["create", "recover"]],
      ["man5/luksmith.conf.5", ["plugins_allowed", "images_type"]],
      ["man8/luksmith.service.8", ["systemctl", "SocketUnsafe"]],
    ] as const) {
      const roff = await run("gzip", ["-dc", join(pages, `${name}.gz`)], { cwd: folder });
      const file = join(folder, "page");
      await writeFile(file, roff);
      // It exits with 2 and more for warnings and faults.
      await run("mandoc", ["-Tlint", "-Wwarning", file], { cwd: folder });
      const shown = await run("mandoc", ["-Thtml", file], { cwd: folder });
      for (const word of words) expect(shown).toContain(word);
      expect(shown).not.toContain("](../");
    }
  });
});

// One host, through its life: each step needs the one before.
// Only root may make one.
describe.runIf(process.getuid?.() === 0)("the Debian package in a clean Debian", () => {
  let root: DebianRoot;
  beforeAll(async () => {
    root = await DebianRoot.start();
    await root.write("etc/dpkg/dpkg.cfg.d/tests", "force-unsafe-io\n");
    await link(deb, root.path("srv/1.0.0.deb"));
    await link(later, root.path("srv/1.1.0.deb"));
  }, SLOW);
  afterAll(() => root[Symbol.asyncDispose]());

  const status = (): Promise<string> => root.must("dpkg-query -W -f '${Status} ${Version}' luksmith-agent");
  const opens = async (): Promise<string> => {
    const { disks } = JSON.parse(await root.must(`luksmith --json show ${server}`)) as {
      disks: readonly { path: string; encryption_secret_uuid: string }[];
    };
    const [disk] = disks;
    return await root.must(
      `luksmith secret reveal ${disk?.encryption_secret_uuid} > /dev/shm/p
       cryptsetup luksDump '${disk?.path}' | grep Version
       cryptsetup open --type luks1 --test-passphrase --key-file /dev/shm/p '${disk?.path}'
       qemu-img convert --object secret,id=s,file=/dev/shm/p -O raw \\
         --image-opts driver=raw,size=1048576,file.driver=luks,file.key-secret=s,file.file.driver=file,file.file.filename='${disk?.path}' /tmp/plain
       grep -c '${CANARY}' /tmp/plain; ! grep -q '${CANARY}' '${disk?.path}'; rm /tmp/plain`,
    );
  };
  let server: string;

  test(
    "installs, with a state only root can enter and a daemon that waits to be asked",
    async () => {
      await root.must("dpkg -i /srv/1.0.0.deb");
      expect(await status()).toBe("install ok installed 1.0.0");
      expect(await root.must(`stat -c '%U %a' ${STATE}; stat -c %a ${CONFIG}`)).toBe("root 700\n640\n");
      expect(await root.must("ldd /usr/lib/luksmith/bin/node")).not.toContain("not found");
      expect(await root.must("luksmith --version")).toMatch(/^\d+\.\d+\.\d+\n$/);
      expect(await root.must("dpkg --verify luksmith-agent")).toBe("");
      expect(await root.must("ls /etc/systemd/system")).not.toContain("luksmith");
    },
    SLOW,
  );

  test(
    "loads every plugin that it carries, and one of others that root has put beside them",
    async () => {
      const others = "/usr/local/lib/luksmith/node_modules/outsider";
      await root.write(
        `${others}/package.json`,
        '{"name":"outsider","version":"3.2.1","type":"module","main":"index.js"}',
      );
      await root.write(`${others}/index.js`, OUTSIDER);
      const text = await root.read(CONFIG);
      const names = [...text.matchAll(/^# {2,}(@luksmith.*)$/gm)].flatMap(([, line = ""]) => line.split(" "));
      expect(names).toHaveLength(9);
      for (const name of [...names, "outsider"]) {
        const { stdout } = await root.run(`luksmith plugins check ${name}`);
        expect(stdout).toMatch(new RegExp(`package +${name} \\d+\\.`));
        // Some cannot be without an option.
        const [, code = "ConfigInvalid"] = /^ +error +(\w+)/m.exec(stdout) ?? [];
        expect(`${name}: ${code}`).toBe(`${name}: ConfigInvalid`);
      }
      expect(await root.must("luksmith plugins check outsider")).not.toContain("error");
    },
    SLOW,
  );

  test(
    "makes disks",
    async () => {
      const { id, image, request } = await exampleRequest();
      server = id;
      const source = Buffer.alloc(64 * 1024 * 1024);
      source.write(CANARY, 4096);
      await root.write(`${STATE}/images/${image}`, source);
      // Without swap and more disks, which take time to make.
      await root.write(
        "srv/request.json",
        request.replace('"ephemeral": 1', '"ephemeral": 0').replace('"swap": 64', '"swap": 0'),
      );
      const edited = `# Ours.\n[libvirt]\nimages_type = raw\n[DEFAULT]\ninstances_path = /srv/instances\n[luksmith]\nplugins = @luksmith/backend-raw, @luksmith/keymgr-local, outsider\n`;
      await root.must(`mkdir -m 700 /srv/instances; cat > ${CONFIG} <<'TEXT'\n${edited}\nTEXT`);
      await root.must("luksmith --json create -f /srv/request.json");
      expect(await opens()).toMatch(/Version:\s+1\n1\n/);
    },
    SLOW,
  );

  test(
    "is not replaced below a command that runs",
    async () => {
      await root.must("sed -i 's/^PATIENCE=.*/PATIENCE=2/' /var/lib/dpkg/info/luksmith-agent.prerm");
      const command = "/usr/lib/luksmith/bin/node -e 'setTimeout(() => {}, 1e6)' &";
      const refused = await root.run(`${command} dpkg --force-confold -i /srv/1.1.0.deb`);
      expect(refused.exitCode).not.toBe(0);
      expect(refused.stderr).toMatch(/process \d+ still runs: \/usr\/lib\/luksmith\/bin\/node/);
      expect(refused.stderr).toContain("nothing was changed");
      expect(await status()).toBe("install ok installed 1.0.0");
      expect(await opens()).toMatch(/\n1\n/);
    },
    SLOW,
  );

  test(
    "is upgraded: state, disks, plugins of others and the operator's configuration stay",
    async () => {
      await root.must(
        "(/usr/lib/luksmith/bin/node -e 'setTimeout(() => {}, 1000)' &) ; dpkg --force-confold -i /srv/1.1.0.deb",
      );
      expect(await status()).toBe("install ok installed 1.1.0");
      expect(await root.read(CONFIG)).toMatch(/^# Ours\./);
      expect(await root.read(`${CONFIG}.dpkg-dist`)).toContain("# Of a later version.");
      expect(await root.must("ls -R /usr/share/fish 2>&1 || true")).not.toContain("luksmith");
      expect(await root.must(`luksmith verify ${server}; luksmith plugins list`)).toContain("outsider");
      expect(await opens()).toMatch(/\n1\n/);
    },
    SLOW,
  );

  test(
    "is removed: the disks, their keys and the configuration stay, and it says so",
    async () => {
      const said = await root.must("dpkg -r luksmith-agent");
      expect(said).toContain(`${STATE} is kept with the keys`);
      expect(said).toContain(server);
      expect(await root.must("ls /usr/lib/luksmith /usr/bin/luksmith 2>&1 || true")).toMatch(
        /(No such file[^]*){2}/,
      );
      await root.must("dpkg -i /srv/1.1.0.deb");
      expect(await opens()).toMatch(/\n1\n/);
      await root.must("dpkg -r luksmith-agent");
    },
    SLOW,
  );

  test(
    "is purged: it names what it would destroy, and keeps it until it is told",
    async () => {
      const said = await root.must("dpkg -P luksmith-agent");
      expect(said).toContain("is NOT purged");
      expect(said).toContain(server);
      expect(said).toContain("luksmith.sqlite");
      expect(await root.must(`ls ${CONFIG} 2>&1 || true`)).toContain("No such file");
      expect(
        await root.must(`find / -xdev -path /proc -prune -o -path /root -prune -o -name '*luksmith*' -print`),
      ).not.toMatch(/^\/(?:etc|usr\/(?!local)|var\/cache)/m);
      // What was kept is enough.
      const kept = await root.must(`ls ${STATE}`);
      await root.must(
        "dpkg -i /srv/1.1.0.deb; printf '[libvirt]\\nimages_type = raw\\n[DEFAULT]\\ninstances_path = /srv/instances\\n' >> " +
          CONFIG,
      );
      expect(await opens()).toMatch(/\n1\n/);
      expect(kept).toContain("luksmith.sqlite");
      await root.must(`dpkg -r luksmith-agent; touch ${STATE}/purge-keys`);
      expect(await root.must("dpkg -P luksmith-agent")).toContain("as /var/lib/luksmith/purge-keys asks");
      expect(await root.must(`ls ${STATE} 2>&1 || true`)).toContain("No such file");
    },
    SLOW,
  );
});
