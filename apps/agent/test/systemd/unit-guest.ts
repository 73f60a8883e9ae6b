import { existsSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type OwnDmKernel, startDmKernel } from "@luksmith/testing-services";

const AGENT = join(import.meta.dirname, "../..");
const UNIT = join(AGENT, "systemd/luksmith.service");
const SOCKET = "/run/luksmith/luksmith.sock";

/** Under a name that the unit sees: it sees nothing below /root, where a checkout may be. */
const CHECKOUT = "/opt/checkout";
const CONFIG = `
[DEFAULT]
use_cow_images = False
[libvirt]
images_type = raw
virt_type = qemu
[luksmith]
plugins = @luksmith/backend-raw, @luksmith/keymgr-local
images_path = /var/lib/images
`;
/** The unit has "/usr/bin/luksmith serve". What was built: the sources take three times as long to start. */
const PROGRAM = `#!/bin/sh
export NODE_COMPILE_CACHE=/dev/shm/compiled
exec ${CHECKOUT}/node_modules/node/bin/node ${CHECKOUT}/apps/agent/bin/luksmith.js "$@"
`;
const ASK = `
const [method, path, body] = process.argv.slice(1);
const headers = { prefer: "respond-async", ...(body ? { "content-type": "application/json" } : {}) };
const asked = require("node:http").request({ socketPath: "${SOCKET}", method, path, headers });
asked.on("response", (answer) => answer.pipe(process.stdout)).end(body);
`;

/** A machine with systemd as its first process, the unit, and a file system for disks. */
export class UnitGuest implements AsyncDisposable {
  readonly kernel: OwnDmKernel;

  private constructor(kernel: OwnDmKernel) {
    this.kernel = kernel;
  }

  static async start(): Promise<UnitGuest> {
    if (!existsSync(join(AGENT, "dist/main.js"))) throw new Error("build first: npx pnpm build");
    await using undo = new AsyncDisposableStack();
    const kernel = undo.use(await startDmKernel({ systemd: true }));
    const guest = new UnitGuest(kernel);
    await guest.sh(`while ! [ -S /run/systemd/private ]; do sleep 0.1; done
      mkdir -p /usr/local/bin ${CHECKOUT} /etc/luksmith /var/lib/nova/instances /var/lib/images
      mount --bind ${kernel.info.workspace} ${CHECKOUT}
      mke2fs -q -t ext4 /dev/ubda && mount /dev/ubda /var/lib/nova/instances`);
    await guest.write("/etc/luksmith/luksmith.conf", CONFIG);
    await guest.write("/usr/bin/luksmith", PROGRAM, "755");
    await guest.write("/usr/local/bin/probe", readFileSync(join(import.meta.dirname, "probe.sh")), "755");
    await guest.write("/etc/systemd/system/luksmith.service", readFileSync(UNIT));
    await guest.sh("systemctl daemon-reload");
    undo.move();
    return guest;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kernel[Symbol.asyncDispose]();
  }

  /** Runs a script that must succeed; its output without the last line's end. */
  async sh(script: string): Promise<string> {
    return (await this.kernel.must(["/bin/sh", "-euc", script])).trimEnd();
  }

  async write(path: string, content: string | Buffer, mode = "644"): Promise<void> {
    const between = join(this.kernel.sharedDirectory, "file");
    await writeFile(between, content);
    await this.sh(`mkdir -p "$(dirname '${path}')" && cp '${between}' '${path}' && chmod ${mode} '${path}'`);
  }

  /** What an administrator writes with `systemctl edit`; undone by its disposal. */
  async dropIn(lines: string): Promise<AsyncDisposable> {
    const path = "/etc/systemd/system/luksmith.service.d/test.conf";
    await this.write(path, lines);
    await this.sh("systemctl daemon-reload");
    return { [Symbol.asyncDispose]: async () => void (await this.sh(`rm ${path}; systemctl daemon-reload`)) };
  }

  async show(property: string): Promise<string> {
    return await this.sh(`systemctl show luksmith --value -p ${property}`);
  }

  /** What the daemon answers; a task goes on after its answer. */
  async ask<T>(method: string, path: string, body?: unknown): Promise<T> {
    const json = body === undefined ? [] : [JSON.stringify(body)];
    const argv = [process.execPath, "-e", ASK, method, path, ...json];
    return JSON.parse(await this.kernel.must(argv)) as T;
  }

  /** A command by hand. */
  async luksmith(...args: readonly string[]): Promise<{ exitCode: number; out: string; err: string }> {
    const { exitCode, stdout, stderr } = await this.kernel.run(["/usr/bin/luksmith", ...args]);
    return { exitCode, out: stdout.toString(), err: stderr.toString() };
  }

  /** The daemon's log, and what systemd says of it. */
  async log(): Promise<string> {
    return await this.sh("journalctl -u luksmith --no-pager -o cat");
  }
}
