import { readdir, readFile, readlink, realpath, stat } from "node:fs/promises";
import { basename, join } from "node:path";

/** What the kernel says of itself in files: /proc and /sys, below a root that tests may put elsewhere. */
export class SystemView {
  readonly #root: string;

  constructor(root = "/") {
    this.#root = root;
  }

  /** Undefined: there is no such file, or it cannot be read. */
  async read(path: string): Promise<string | undefined> {
    return await readFile(join(this.#root, path), "utf8").then(
      (text) => text.trimEnd(),
      () => undefined,
    );
  }

  /** Empty: there is no such directory. */
  async list(path: string): Promise<readonly string[]> {
    return await readdir(join(this.#root, path)).catch(() => []);
  }

  /** Undefined: nothing is there. */
  async mode(path: string): Promise<number | undefined> {
    return await stat(join(this.#root, path)).then(
      ({ mode }) => mode,
      () => undefined,
    );
  }

  async link(path: string): Promise<string | undefined> {
    return await readlink(join(this.#root, path)).catch(() => undefined);
  }

  /** The kernel's name of a block device (`dm-3`) by a path in /dev, links followed. */
  async deviceName(path: string): Promise<string> {
    return basename(await realpath(join(this.#root, path)).catch(() => path));
  }

  /** The kernel's name of the device that a file is on; undefined: on none, or it cannot be told. */
  async deviceUnder(path: string): Promise<string | undefined> {
    const found = await stat(join(this.#root, path)).catch(() => undefined);
    if (!found) return undefined;
    const device = BigInt(found.dev);
    const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n);
    const minor = (device & 0xffn) | ((device >> 12n) & 0xffffff00n);
    const link = await this.link(`/sys/dev/block/${major}:${minor}`);
    return link && basename(link);
  }

  /** Whether all that a block device writes goes through dm-crypt, as far as the kernel knows. */
  async isEncrypted(device: string, depth = 0): Promise<boolean> {
    const sys = `/sys/class/block/${device}`;
    const uuid = await this.read(`${sys}/dm/uuid`);
    if (uuid?.startsWith("CRYPT-")) return true;
    const below = await this.list(`${sys}/slaves`);
    // No device lies this deep; a circle would.
    if (below.length === 0 || depth > 8) return false;
    const each = await Promise.all(below.map((name) => this.isEncrypted(name, depth + 1)));
    return each.every(Boolean);
  }
}
