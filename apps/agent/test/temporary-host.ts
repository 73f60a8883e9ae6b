import { randomBytes, randomUUID } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run, type RunOptions } from "../src/index.ts";
import { MemoryIo } from "./memory-io.ts";

const MIB = 1 << 20;

/** REQUEST.json, as far as tests read it. */
export interface Request {
  readonly server: { readonly id: string; readonly [field: string]: unknown };
  readonly image: { readonly id: string; readonly [field: string]: unknown };
}

/** What a command line did. */
export interface Ran {
  readonly exitCode: number;
  readonly out: string;
  readonly err: string;
}

/** A host in a directory of its own: images_type raw, the local key manager, one raw image. */
export class TemporaryHost implements AsyncDisposable {
  readonly path: string;
  readonly imageId = randomUUID();
  readonly image = randomBytes(MIB + 512);

  private constructor(path: string) {
    this.path = path;
  }

  static async create(): Promise<TemporaryHost> {
    const host = new TemporaryHost(await mkdtemp(join(tmpdir(), "luksmith-agent-")));
    await mkdir(join(host.path, "instances"));
    await mkdir(join(host.path, "images"));
    await writeFile(join(host.path, "images", host.imageId), host.image);
    await host.configure();
    return host;
  }

  get configFile(): string {
    return join(this.path, "luksmith.conf");
  }

  /** Writes the configuration file, with more lines in `[luksmith]` if wanted. */
  async configure(...lines: readonly string[]): Promise<void> {
    const text = `[DEFAULT]
instances_path = ${this.path}/instances
[libvirt]
images_type = raw
virt_type = qemu
[luksmith]
state_path = ${this.path}/state
images_path = ${this.path}/images
${lines.join("\n")}
`;
    await writeFile(this.configFile, text);
  }

  /** REQUEST.json for an encrypted root, ephemeral and swap disk. */
  request(changes: Readonly<Record<string, unknown>> = {}): Request {
    const extra_specs = { "hw:ephemeral_encryption": "true" };
    const flavor = { vcpus: 1, ram: 64, disk: 1, ephemeral: 1, swap: 16, extra_specs, ...changes };
    const image = { id: this.imageId, disk_format: "raw", container_format: "bare", status: "active" };
    return { server: { id: randomUUID(), name: "vm", image: { id: this.imageId }, flavor }, image };
  }

  async run(
    argv: readonly string[],
    io = new MemoryIo({ cwd: this.path }),
    options?: RunOptions,
  ): Promise<Ran> {
    const exitCode = await run(["--config-file", this.configFile, ...argv], io, options);
    return { exitCode, out: io.out, err: io.err };
  }

  /** Runs with `--json`; whatever is not one document on standard output fails the test. */
  async json<T>(argv: readonly string[], stdin?: unknown): Promise<T> {
    const io = new MemoryIo({ cwd: this.path, stdin: stdin === undefined ? "" : JSON.stringify(stdin) });
    const { exitCode, out, err } = await this.run([...argv, "--json"], io);
    if (exitCode !== 0) throw new Error(`${argv.join(" ")} exited with ${exitCode}: ${err}`);
    return JSON.parse(out) as T;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}
