import type { CephEnv } from "@luksmith/testing-services";
import {
  CommandFailure,
  type CommandCost,
  measureCommand,
  type MeasuredCommand,
  SECRET_PATH,
} from "../harness/command.ts";

const SECRET = ["--object", `secret,id=key,file=${SECRET_PATH}`] as const;
/** As in `qemu.ts`; on Ceph it leaves an image of no bytes behind. */
const FLAKY = "Unable to get accurate CPU usage";
const ATTEMPTS = 10;

/** Ceph's own programs and QEMU's, on one cluster. */
export class RbdPeers {
  readonly #ceph: CephEnv;

  constructor(ceph: CephEnv) {
    this.#ceph = ceph;
  }

  /** A plain image without content: what any disk costs at least where `rbd` is started for it. */
  create(image: string, bytes: number): Promise<CommandCost> {
    return this.#rbd(["create", "--size", `${bytes}B`, this.#spec(image)]);
  }

  /** Of an image that is there. */
  encryptionFormat(image: string, secret: Uint8Array): Promise<CommandCost> {
    const args = ["encryption", "format", this.#spec(image), "luks1", SECRET_PATH];
    return measureCommand({ ...this.#command(args), secret });
  }

  /** `qemu-img create -f luks`, with its defaults. */
  async createLuks(image: string, bytes: number, secret: Uint8Array): Promise<CommandCost> {
    const target = `rbd:${this.#spec(image)}:id=${this.#ceph.user}:conf=${this.#ceph.conf}`;
    const args = ["create", "-q", ...SECRET, "-f", "luks", "-o", "key-secret=key", target, String(bytes)];
    for (let attempt = 1; ; attempt++) {
      try {
        return await measureCommand({ file: "qemu-img", args, secret });
      } catch (error) {
        const flaky = error instanceof CommandFailure && error.stderr.includes(FLAKY);
        if (!flaky || attempt === ATTEMPTS) throw error;
        await this.remove(image);
      }
    }
  }

  /** `qemu-img convert -n` of a raw file into an encrypted image that is there. */
  convert(
    source: string,
    image: string,
    secret: Uint8Array,
    options: readonly string[],
  ): Promise<CommandCost> {
    const { pool, user, conf } = this.#ceph;
    const rbd = `file.driver=rbd,file.pool=${pool},file.image=${image},file.user=${user},file.conf=${conf}`;
    const target = `driver=luks,key-secret=key,${rbd}`;
    const args = ["convert", "-n", ...options, ...SECRET, "-f", "raw", "--target-image-opts", source, target];
    return measureCommand({ file: "qemu-img", args, secret });
  }

  async remove(image: string): Promise<void> {
    await this.#rbd(["rm", "--no-progress", this.#spec(image)]);
  }

  #spec(image: string): string {
    return `${this.#ceph.pool}/${image}`;
  }

  #rbd(args: readonly string[]): Promise<CommandCost> {
    return measureCommand(this.#command(args));
  }

  #command(args: readonly string[]): MeasuredCommand {
    return { file: "rbd", args: ["-c", this.#ceph.conf, "--id", this.#ceph.user, ...args] };
  }
}
