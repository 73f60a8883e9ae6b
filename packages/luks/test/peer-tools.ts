import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Passphrase } from "../src/index.ts";

/** A directory for containers and keys that goes away with the test. */
export class Workspace implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), "luks-"));

  file(name: string): string {
    return join(this.path, name);
  }

  /** A file with exactly these secret bytes. */
  key(name: string, secret: Passphrase | string): string {
    const file = this.file(name);
    if (typeof secret === "string") writeFileSync(file, secret, { mode: 0o600 });
    else secret.use((bytes) => writeFileSync(file, bytes, { mode: 0o600 }));
    return file;
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** Runs a peer and returns its exit code and all its output. */
export function run(tool: string, ...args: string[]): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(tool, args, { encoding: "utf8", input: "" });
  return { status, output: stdout + stderr };
}

/** The same, but a failure is an error with the output in it. */
export function must(tool: string, ...args: string[]): string {
  const { status, output } = run(tool, ...args);
  if (status !== 0) throw new Error(`${tool} ${args.join(" ")} exited with ${status}: ${output}`);
  return output;
}

/** Arguments that make a QEMU tool open the decrypted view of a container. */
export function decrypted(container: string, keyFile: string): string[] {
  const image = `driver=luks,key-secret=key,file.filename=${container}`;
  return ["--object", `secret,id=key,file=${keyFile}`, "--image-opts", image];
}

/** Runs qemu-io commands on the decrypted view of a container. */
export function qemuIo(
  container: string,
  keyFile: string,
  ...commands: string[]
): { status: number | null; output: string } {
  const actions = commands.flatMap((command) => ["-c", command]);
  return run("qemu-io", ...actions, ...decrypted(container, keyFile));
}
